//! [`Kept`]: what the handler of one delivery keeps with the broker. Costs a handler that keeps
//! nothing nothing.

use std::sync::OnceLock;

use naq_client::Checkpoint;
use naq_core::Envelope;
use naq_core::transport::{Expect, StateKey, Transport};
use tokio::sync::Mutex;

use crate::progress::Reporter;

/// What is kept for one delivery.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) progress: Reporter,
    pub(crate) checkpoint: Mutex<Option<Checkpoint>>,
    /// Where an earlier attempt may have kept one, of a job that does not run again.
    earlier: OnceLock<StateKey>,
}

impl Kept {
    /// The job ends without an attempt: what earlier ones kept is of no use.
    pub(crate) fn not_run(&self, job: &Envelope) {
        if Checkpoint::may_be_of(job) {
            let _ = self.earlier.set(Checkpoint::key_of(job));
        }
    }

    /// The job has ended, and nothing will start from what was kept. What cannot be removed now
    /// expires.
    pub(crate) async fn clear(&self, transport: &dyn Transport) {
        let checkpoint = self.checkpoint.lock().await.take().filter(Checkpoint::exists);
        let checkpoint = checkpoint.map(|kept| kept.key().clone());
        let keys = [self.progress.key(), checkpoint.or_else(|| self.earlier.get().cloned())];
        for key in keys.into_iter().flatten() {
            if let Err(err) = transport.state_remove(&key, Expect::Any).await {
                tracing::debug!(%key, "not removed, and left to expire: {err}");
            }
        }
    }
}
