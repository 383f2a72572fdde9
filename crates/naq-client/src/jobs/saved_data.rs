//! Adds the data that a handler has saved to the report of its job.

use naq_core::state::JobState;
use naq_core::transport::{StateEntry, TransportError};

use crate::{Checkpoint, CheckpointInfo, Client, JobReport, Progress};

impl Client {
    /// Adds progress and checkpoint, if the job may have saved any. A caller without permission to
    /// read them gets the report without them.
    pub(super) async fn add_saved(&self, report: &mut JobReport) -> Result<(), TransportError> {
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
