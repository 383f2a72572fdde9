//! Cancel all jobs of a workflow.

use naq_core::names::JobId;
use naq_core::transport::{Expect, Saved};

use crate::join_bounded::join_bounded;
use crate::workflow::error::WorkflowError;
use crate::{Client, ClientError};

impl Client {
    /// Cancels all jobs of a workflow that have not ended. Returns how many there were. Starts with
    /// the last jobs, so that the cancel of one job releases no other: a job that runs after a
    /// failure does not run because of this.
    ///
    /// # Errors
    /// [`WorkflowError`], such as [`WorkflowError::Unknown`]. Jobs that were cancelled stay cancelled.
    pub async fn cancel_workflow(&self, id: &JobId, reason: &str) -> Result<usize, WorkflowError> {
        let manifest = loop {
            let (mut manifest, revision) = self.manifest(id).await?;
            if manifest.cancelled {
                break manifest;
            }
            // A process that starts the workflow at this moment sees this when it marks the start.
            manifest.cancelled = true;
            let expect = Expect::Revision(revision);
            if self.put_manifest(&manifest, expect).await? != Saved::Conflict {
                break manifest;
            }
        };
        let mut cancelled = 0;
        for depth in (0..=manifest.jobs.iter().map(|job| job.depth).max().unwrap_or(0)).rev() {
            let layer = manifest.jobs.iter().filter(|job| job.depth == depth);
            let ended = layer.map(|job| async {
                match self.cancel(&job.key, reason).await {
                    Ok(_) => Ok(1),
                    // The job has ended, or does not exist.
                    Err(ClientError::State { .. } | ClientError::NoJob(_)) => Ok(0),
                    Err(err) => Err(WorkflowError::from(err)),
                }
            });
            cancelled += join_bounded(ended).await.into_iter().sum::<Result<usize, _>>()?;
        }
        Ok(cancelled)
    }
}
