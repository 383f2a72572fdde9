//! [`SavedData`]: what the handler of one delivery saves at the broker. A handler that saves
//! nothing causes no request.

use std::sync::{Arc, OnceLock};

use naq_client::Checkpoint;
use naq_core::Envelope;
use naq_core::transport::{Expect, StateKey, Transport};
use tokio::sync::Mutex;

use super::ProgressReporter;

/// What the handler of one delivery saves: progress and checkpoint.
#[derive(Debug, Default)]
pub(crate) struct SavedData {
    pub(crate) progress: Arc<ProgressReporter>,
    pub(crate) checkpoint: Mutex<Option<Checkpoint>>,
    /// The checkpoint that an earlier attempt may have saved. Set for a job that does not run
    /// again.
    earlier_checkpoint: OnceLock<StateKey>,
}

impl SavedData {
    /// The job ends without another attempt, so no attempt will read the checkpoint of an earlier
    /// one.
    pub(crate) fn mark_not_run(&self, job: &Envelope) {
        if Checkpoint::may_be_of(job) {
            let _ = self.earlier_checkpoint.set(Checkpoint::key_of(job));
        }
    }

    /// Removes what was saved, after the end of the job. Entries that cannot be removed now expire.
    pub(crate) async fn remove(&self, transport: &dyn Transport) {
        let checkpoint = self.checkpoint.lock().await.take().filter(Checkpoint::exists);
        let checkpoint = checkpoint.map(|saved| saved.key().clone());
        let keys =
            [self.progress.key(), checkpoint.or_else(|| self.earlier_checkpoint.get().cloned())];
        for key in keys.into_iter().flatten() {
            if let Err(err) = transport.state_remove(&key, Expect::Any).await {
                tracing::debug!(%key, "saved data is not removed, and left to expire: {err}");
            }
        }
    }
}
