//! Cancel a whole workflow.

use naq_core::names::JobId;
use naq_core::transport::{Expect, Saved};

use crate::together::together;
use crate::workflow::WorkflowError;
use crate::{Client, ClientError};

impl Client {
    /// Ends all jobs of a workflow that have not ended, and says how many there were. The last ones
    /// first, so that none is let go by the end of another: what runs after a failure does not run
    /// because of this.
    ///
    /// # Errors
    /// [`WorkflowError::Unknown`] among others; what was cancelled until then stays so.
    pub async fn cancel_workflow(&self, id: &JobId, reason: &str) -> Result<usize, WorkflowError> {
        let manifest = loop {
            let (mut manifest, revision) = self.manifest(id).await?;
            if manifest.cancelled {
                break manifest;
            }
            // Whoever starts it just now learns of this when he is done.
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
                    // It has ended, or it never was.
                    Err(ClientError::State { .. } | ClientError::NoJob(_)) => Ok(0),
                    Err(err) => Err(WorkflowError::from(err)),
                }
            });
            cancelled += together(ended).await.into_iter().sum::<Result<usize, _>>()?;
        }
        Ok(cancelled)
    }
}
