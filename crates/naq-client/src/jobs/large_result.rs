//! Results that are kept beside their record.

use naq_core::transport::TransportError;
use naq_core::wire::Payload;

use crate::{Client, JobReport};

impl Client {
    /// Adds the result of a job whose record only says where it is. Where it is gone there is none.
    pub(crate) async fn add_result(&self, report: &mut JobReport) -> Result<(), TransportError> {
        let (Some(blob), Some(job)) = (&report.result_blob, &report.envelope) else {
            return Ok(());
        };
        let data = self.transport.blob_get(&report.key, blob).await?;
        report.result = data.map(|data| Payload::from_raw(job.codec, data));
        Ok(())
    }
}
