//! The chore `naq.wake`: enqueued before the end that it tells of is acked.

use naq_client::Wake;
use naq_core::transport::TransportError;

use crate::engine::Engine;

/// Sees to it that the jobs which wait for this end are let go. Once however often it is called:
/// one end is one chore.
pub(crate) async fn wake(engine: &Engine, wake: &Wake) -> Result<(), TransportError> {
    let submission = wake.submission(engine.now()).map_err(|err| TransportError::Rejected {
        what: "enqueue naq.wake".into(),
        reason: err.to_string(),
    })?;
    engine.transport.publish(submission).await.map(drop)
}
