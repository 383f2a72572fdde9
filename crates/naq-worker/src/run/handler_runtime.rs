//! [`HandlerRuntime`]: where handlers run. By default on threads of their own, so that a handler
//! that blocks does not stop the renewal of leases.

use std::future::Future;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;

use super::exit::WorkerError;

/// The number of blocking threads that a tokio runtime has by default.
const TOKIO_THREADS: usize = 512;
/// Threads for calls of `spawn_blocking` inside handlers, in addition to one for each slot.
const SPARE_THREADS: usize = 64;

/// The runtime that handlers run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum HandlerRuntime {
    /// A runtime of the worker's own: one thread for each core, or
    /// [`handler_threads`](crate::WorkerBuilder::handler_threads). A handler that blocks its thread
    /// does not stop the renewal of leases.
    #[default]
    Own,
    /// The runtime on which [`Worker::run`](crate::Worker::run) is called, for tests with virtual
    /// time. A handler that blocks its thread blocks the worker.
    Current,
}

/// The tasks that run handlers. Dropping this ends them without waiting, even while one blocks its
/// thread.
#[derive(Debug)]
pub(crate) struct HandlerTasks {
    tasks: JoinSet<()>,
    handle: Handle,
    own: Option<Runtime>,
}

impl HandlerTasks {
    pub(crate) fn start(
        kind: HandlerRuntime,
        threads: Option<usize>,
        slots: usize,
    ) -> Result<Self, WorkerError> {
        let own = match kind {
            HandlerRuntime::Current => None,
            HandlerRuntime::Own => {
                let mut builder = Builder::new_multi_thread();
                builder.thread_name("naq-handler").enable_all();
                // Every slot has a thread for a blocking handler.
                builder
                    .max_blocking_threads(slots.saturating_add(SPARE_THREADS).max(TOKIO_THREADS));
                if let Some(threads) = threads {
                    builder.worker_threads(threads);
                }
                Some(builder.build().map_err(WorkerError::Threads)?)
            }
        };
        let handle = own.as_ref().map_or_else(Handle::current, |own| own.handle().clone());
        Ok(Self { tasks: JoinSet::new(), handle, own })
    }

    pub(crate) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, &self.handle);
    }
}

impl Drop for HandlerTasks {
    fn drop(&mut self) {
        self.tasks.abort_all();
        if let Some(own) = self.own.take() {
            own.shutdown_background();
        }
    }
}
