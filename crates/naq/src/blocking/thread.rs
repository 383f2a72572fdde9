//! [`ClientThread`]: the thread that runs the connection of a blocking client.

use std::io;
use std::sync::{Arc, mpsc};

use tokio::runtime::{Builder, Runtime};

/// A thread that runs futures for callers that are not async. Cheap to clone; the thread ends when the
/// last clone is dropped.
#[derive(Debug, Clone)]
pub(super) struct ClientThread(Arc<RuntimeGuard>);

#[derive(Debug)]
struct RuntimeGuard(Option<Runtime>);

impl ClientThread {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("naq-blocking")
            .enable_all()
            .build()?;
        Ok(Self(Arc::new(RuntimeGuard(Some(runtime)))))
    }

    /// Runs `work` to its end and returns its output. It does not use `block_on`, which panics on a
    /// thread that runs async code.
    ///
    /// # Panics
    /// `work` panics.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let (answer, answered) = mpsc::sync_channel(1);
        if let Some(runtime) = &self.0.0 {
            runtime.spawn(async move {
                // An error means that the calling thread has ended and no longer waits.
                let _ = answer.send(work.await);
            });
        }
        answered.recv().unwrap_or_else(|_| panic!("the call panicked on the client's thread"))
    }
}

impl Drop for RuntimeGuard {
    /// Stops the runtime without a wait, because a wait panics inside async code.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
