//! Enqueues the chore `naq.wake`, which releases the jobs that wait for an end.

use naq_client::Wake;
use naq_core::transport::TransportError;

use crate::engine::WorkerState;

/// Enqueues the chore. Repeated calls for the same end enqueue one chore.
pub(super) async fn enqueue_wake(worker: &WorkerState, wake: &Wake) -> Result<(), TransportError> {
    let submission = wake.submission(worker.now()).map_err(|err| TransportError::Rejected {
        what: "enqueue naq.wake".into(),
        reason: err.to_string(),
    })?;
    worker.transport.publish(submission).await.map(drop)
}
