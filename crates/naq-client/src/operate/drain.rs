//! Drain: ask a worker to stop, from another process.

use naq_core::names::WorkerId;
use naq_core::transport::{Signal, WorkerInfo};

use crate::{Client, ClientError};

impl Client {
    /// Asks a worker to stop as on SIGTERM: it stops fetching, finishes its running jobs within its
    /// grace period, gives the others back, and its process exits with code 0. Returns the worker's
    /// entry from before the call; in the directory it becomes `stopping`, and then disappears.
    ///
    /// The signal is not stored: a worker that is not connected at this moment does not get it.
    /// Repeat the call while the worker is listed and not stopping; repeating does no harm.
    ///
    /// # Errors
    /// [`ClientError::NoWorker`] when the directory has no worker with this id.
    pub async fn drain_worker(&self, worker: &WorkerId) -> Result<WorkerInfo, ClientError> {
        let workers = self.transport.workers().await?;
        let found = workers.into_iter().find(|info| info.worker_id == *worker);
        let info = found.ok_or_else(|| ClientError::NoWorker(worker.clone()))?;
        self.transport.signal(&Signal::Drain { worker: worker.clone() }).await?;
        Ok(info)
    }
}
