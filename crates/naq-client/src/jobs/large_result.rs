//! Adds what is stored in blobs beside the messages of a job to its report: a large result and large
//! arguments.

use naq_core::transport::TransportError;
use naq_core::wire::Payload;

use crate::{Client, JobReport};

impl Client {
    /// Reads the result and the arguments of a job whose message only names their blob. If the blob has expired, the
    /// report stays without them. Decrypts what the report has.
    pub(crate) async fn add_large_result(
        &self,
        report: &mut JobReport,
    ) -> Result<(), TransportError> {
        if let (Some(blob), Some(job)) = (&report.result_blob, &report.envelope) {
            let data = self.transport.blob_get(&report.key, blob).await?;
            report.result = data.map(|data| Payload::from_raw(job.codec, data));
        }
        self.add_large_args(report).await?;
        self.open_report(report);
        Ok(())
    }
}
