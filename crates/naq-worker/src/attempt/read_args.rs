//! Reads the arguments of a job whose arguments are in a blob.

use naq_core::Payload;

use crate::decide::DeliveryOutcome;
use crate::delivery::HeldDelivery;
use crate::engine::WorkerState;
use crate::outage::Outage;

/// Reads the arguments from their blob, unless they are in the message. The error is the outcome of a
/// delivery whose attempt does not start.
pub(super) async fn read_args(
    worker: &WorkerState,
    held: &HeldDelivery,
) -> Result<(), Box<DeliveryOutcome>> {
    // A body that is no job has no blob. The next step says what is wrong with it.
    let Some((job, blob)) = held.read_job().ok().and_then(|job| {
        let blob = job.args_blob.clone()?;
        Some((job, blob))
    }) else {
        return Ok(());
    };
    let mut outage = Outage::new("the arguments of a job");
    let why = loop {
        if let Some(reason) = held.stop_reason() {
            return Err(Box::new(reason.into()));
        }
        let err = match worker.transport.blob_get(&held.delivery.stored.key, &blob).await {
            Ok(Some(data)) => match Payload::read(job.codec, data) {
                Ok(args) => {
                    held.set_blob_args(args);
                    return Ok(());
                }
                Err(err) => break err.to_string(),
            },
            Ok(None) => break format!("their blob of {} bytes is not stored", blob.bytes()),
            Err(err) if err.is_transient() => err,
            Err(err) => break err.to_string(),
        };
        tokio::select! {
            () = worker.sleep(outage.failed(&err, worker.now())) => {}
            () = held.stop_token.cancelled() => {}
        }
    };
    Err(Box::new(DeliveryOutcome::ArgsMissing(job, why)))
}
