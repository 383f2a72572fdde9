//! Results that are kept beside their record.

use super::{Client, JobReport};
use crate::transport::TransportError;
use crate::wire::Payload;

impl Client {
    /// Adds the result of a job whose record only says where it is. Where it is gone there is none.
    pub(super) async fn add_result(&self, report: &mut JobReport) -> Result<(), TransportError> {
        let (Some(blob), Some(job)) = (&report.result_blob, &report.envelope) else {
            return Ok(());
        };
        let data = self.transport.blob_get(&report.key, blob).await?;
        report.result = data.map(|data| Payload::from_raw(job.codec, data));
        Ok(())
    }
}
