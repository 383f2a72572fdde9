//! Enqueues the chore `naq.wake`, which releases the jobs that wait for an end.

use naq_client::Wake;
use naq_core::transport::TransportError;

use crate::engine::Engine;

/// Enqueues the chore. One end is one chore, however often this is called.
pub(super) async fn enqueue_wake(engine: &Engine, wake: &Wake) -> Result<(), TransportError> {
    let submission = wake.submission(engine.now()).map_err(|err| TransportError::Rejected {
        what: "enqueue naq.wake".into(),
        reason: err.to_string(),
    })?;
    engine.transport.publish(submission).await.map(drop)
}
