//! Where handlers run: on threads of their own, so that one that blocks stops no lease renewal.

use std::future::Future;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;

use crate::exit::WorkerError;

/// The blocking threads that a runtime of tokio's has by default.
const TOKIO_THREADS: usize = 512;
/// Threads for what handlers themselves hand to `spawn_blocking`, beside one for every slot.
const SPARE_THREADS: usize = 64;

/// The runtime that handlers run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum HandlerRuntime {
    /// A runtime of the worker's own: one thread a core, or
    /// [`handler_threads`](crate::WorkerBuilder::handler_threads). A handler that blocks its thread
    /// cannot keep the worker from renewing leases.
    #[default]
    Own,
    /// The runtime that [`Worker::run`](crate::Worker::run) is called on: for tests with virtual
    /// time. A handler that blocks here blocks the worker.
    Current,
}

/// The handlers' tasks. Dropping it ends them without waiting: also inside async code, and also
/// while one blocks its thread.
#[derive(Debug)]
pub(crate) struct Runners {
    tasks: JoinSet<()>,
    handle: Handle,
    own: Option<Runtime>,
}

impl Runners {
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
                // A blocking handler that has a slot has a thread, too.
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

impl Drop for Runners {
    fn drop(&mut self) {
        self.tasks.abort_all();
        if let Some(own) = self.own.take() {
            own.shutdown_background();
        }
    }
}
