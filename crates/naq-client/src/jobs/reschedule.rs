//! Change the due time of a waiting job: now, or another time.

use naq_core::clock::Timestamp;
use naq_core::names::JobKey;
use naq_core::state::JobState;

use crate::{Client, ClientError, JobReport};

impl Client {
    /// Makes a waiting job due now. It starts exactly once, even if its time comes meanwhile.
    ///
    /// # Errors
    /// [`ClientError::State`] when it does not wait; [`ClientError::NoJob`].
    pub async fn retry_now(&self, key: &JobKey) -> Result<JobReport, ClientError> {
        let report = self.find_waiting(key).await?;
        // False means that its time came meanwhile, which is what the caller wants.
        self.transport.release(&report.stored).await?;
        self.report(key).await
    }

    /// Moves a waiting job to another due time; a time in the past means now. It starts exactly
    /// once, and not before that time, unless its old time comes meanwhile; the report shows that.
    ///
    /// # Errors
    /// As [`retry_now`](Self::retry_now).
    pub async fn reschedule(
        &self,
        key: &JobKey,
        due_at: Timestamp,
    ) -> Result<JobReport, ClientError> {
        let report = self.find_waiting(key).await?;
        self.transport.reschedule(&report.stored, due_at).await?;
        self.report(key).await
    }

    /// The job, if it waits for its due time.
    async fn find_waiting(&self, key: &JobKey) -> Result<JobReport, ClientError> {
        let report = self.report(key).await?;
        let why = match report.state {
            JobState::Scheduled | JobState::Retrying => return Ok(report),
            JobState::Dead => "requeue its dead letter instead",
            JobState::Blocked => "it waits for other jobs, and starts when they end",
            _ => "only a waiting job can be given another time",
        };
        Err(report.state_error(why))
    }
}
