//! The thread on which a blocking client's connection lives.

use std::io;
use std::sync::{Arc, mpsc};

use tokio::runtime::{Builder, Runtime};

/// Runs futures for threads that cannot. Cheap to clone; it ends with the last clone.
#[derive(Debug, Clone)]
pub(super) struct Thread(Arc<Owned>);

#[derive(Debug)]
struct Owned(Option<Runtime>);

impl Thread {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("naq-blocking")
            .enable_all()
            .build()?;
        Ok(Self(Arc::new(Owned(Some(runtime)))))
    }

    /// Runs `work` to its end and returns what it gives. Not by `block_on`, which panics on a
    /// thread that runs async code.
    ///
    /// # Panics
    /// When `work` does.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let (answer, answered) = mpsc::sync_channel(1);
        if let Some(runtime) = &self.0.0 {
            runtime.spawn(async move {
                // An error means that whoever waited is gone, as is its thread.
                let _ = answer.send(work.await);
            });
        }
        answered.recv().unwrap_or_else(|_| panic!("the call panicked on the client's thread"))
    }
}

impl Drop for Owned {
    /// Without waiting, which would panic inside async code.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
