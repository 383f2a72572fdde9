//! Adds a large result, which is stored as a blob beside the job's record, to its report.

use naq_core::transport::TransportError;
use naq_core::wire::Payload;

use crate::{Client, JobReport};

impl Client {
    /// Reads the result of a job whose record only names the blob. If the blob has expired, the
    /// report stays without a result. Decrypts what the report has.
    pub(crate) async fn add_large_result(
        &self,
        report: &mut JobReport,
    ) -> Result<(), TransportError> {
        if let (Some(blob), Some(job)) = (&report.result_blob, &report.envelope) {
            let data = self.transport.blob_get(&report.key, blob).await?;
            report.result = data.map(|data| Payload::from_raw(job.codec, data));
        }
        self.open_report(report);
        Ok(())
    }
}
