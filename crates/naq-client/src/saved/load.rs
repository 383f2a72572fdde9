//! What a handler has kept of a job: where, and how a report comes by it.

use naq_core::state::JobState;
use naq_core::transport::{StateEntry, StateKey, TransportError};
use naq_core::wire::Envelope;

use crate::{Checkpoint, CheckpointInfo, Client, JobReport, Progress};

/// Where a handler keeps something of a job: under the first life of it, so that a requeue finds it
/// again, and another job of the same id does not.
pub(crate) fn kept_key(kind: &str, job: &Envelope) -> StateKey {
    StateKey::new([kind, job.queue.as_str(), job.id.as_str(), job.origin().as_str()])
        .unwrap_or_else(|err| unreachable!("names are tokens, and not long: {err}"))
}

impl Client {
    /// What its handler has kept, where it may have kept something. Somebody who may not look at
    /// that sees the rest.
    pub(crate) async fn add_kept(&self, report: &mut JobReport) -> Result<(), TransportError> {
        let Some(job) = &report.envelope else { return Ok(()) };
        let may_have = match report.state {
            JobState::Running | JobState::Retrying | JobState::Dead => true,
            JobState::Pending | JobState::Scheduled => Checkpoint::may_be_of(job),
            _ => false,
        };
        if !may_have {
            return Ok(());
        }
        let keys = [Progress::key(job), Checkpoint::key_of(job)];
        let found = match self.transport.state_get(&keys).await {
            Err(TransportError::Permission { .. }) => return Ok(()),
            found => found?,
        };
        if let [progress, checkpoint] = &found[..] {
            let read = |entry: &StateEntry| serde_json::from_slice(&entry.value).ok();
            report.progress = progress.as_ref().and_then(read);
            report.checkpoint = checkpoint.as_ref().and_then(CheckpointInfo::read);
        }
        Ok(())
    }
}
