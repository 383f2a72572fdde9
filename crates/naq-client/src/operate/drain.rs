//! Drain: a worker's graceful stop, asked for from elsewhere.

use naq_core::names::WorkerId;
use naq_core::transport::{Signal, WorkerInfo};

use crate::{Client, ClientError};

impl Client {
    /// Asks a worker to stop as on SIGTERM: it fetches nothing more, finishes what it runs within its
    /// grace period, gives the rest back, and its process ends with exit code 0. Returns the worker
    /// as it was; that it stops shows in the directory, where it is `stopping` and then gone.
    ///
    /// The word is not stored: a worker whose connection is down in this very moment does not hear
    /// it. Ask again while it is listed and not stopping; asking twice is the same as once.
    ///
    /// # Errors
    /// [`ClientError::NoWorker`] when the directory has none of this id.
    pub async fn drain_worker(&self, worker: &WorkerId) -> Result<WorkerInfo, ClientError> {
        let workers = self.transport.workers().await?;
        let found = workers.into_iter().find(|info| info.worker_id == *worker);
        let info = found.ok_or_else(|| ClientError::NoWorker(worker.clone()))?;
        self.transport.signal(&Signal::Drain { worker: worker.clone() }).await?;
        Ok(info)
    }
}
