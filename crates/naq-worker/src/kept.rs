//! [`Kept`]: what the handler of one delivery keeps with the broker. Costs a handler that keeps
//! nothing nothing.

use naq_core::client::Checkpoint;
use naq_core::transport::{Expect, Transport};
use tokio::sync::Mutex;

use crate::progress::Reporter;

/// What is kept for one delivery.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) progress: Reporter,
    pub(crate) checkpoint: Mutex<Option<Checkpoint>>,
}

impl Kept {
    /// The job has ended, and nothing will start from what was kept. What cannot be removed now
    /// expires.
    pub(crate) async fn clear(&self, transport: &dyn Transport) {
        let checkpoint = self.checkpoint.lock().await.take().filter(Checkpoint::exists);
        let keys = [self.progress.key(), checkpoint.map(|kept| kept.key().clone())];
        for key in keys.into_iter().flatten() {
            if let Err(err) = transport.state_remove(&key, Expect::Any).await {
                tracing::debug!(%key, "not removed, and left to expire: {err}");
            }
        }
    }
}
