//! Many jobs at once.

use super::Prepared;
use crate::client::{Client, EnqueueError, JobHandle};
use crate::transport::Receipt;

impl Client {
    /// Sends many prepared jobs, with many under way at once; one answer a job, in their order.
    pub async fn enqueue_many<O: Send + 'static>(
        &self,
        jobs: impl IntoIterator<Item = Prepared<O>>,
    ) -> Vec<Result<JobHandle<O>, EnqueueError>> {
        let submissions: Vec<_> = jobs.into_iter().map(|job| job.submission).collect();
        let keys: Vec<_> = submissions.iter().map(|s| s.key.clone()).collect();
        let receipts = self.transport.publish_many(submissions).await;
        keys.into_iter()
            .zip(receipts)
            .map(|(key, receipt)| {
                Ok(JobHandle::new(self.clone(), key, receipt? == Receipt::Duplicate))
            })
            .collect()
    }
}
