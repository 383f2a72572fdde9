//! [`insist`]: asks the broker until it answers.

use std::future::Future;

use naq_core::transport::TransportError;

use crate::delivery::HeldJob;
use crate::engine::Engine;
use crate::outage::backoff;

/// Asks the broker until it answers, again after each error, for as long as the lease holds. After
/// permanent errors too: an operator may give back the permission, and until then the job does at
/// least not run again and again. None when the lease is lost.
pub(super) async fn insist<T, F>(
    engine: &Engine,
    held: &HeldJob,
    mut ask: impl FnMut() -> F,
) -> Option<T>
where
    F: Future<Output = Result<T, TransportError>>,
{
    let mut failures = 0;
    while !held.is_lost() {
        match ask().await {
            Ok(answer) => {
                engine.settle_outage.over(engine.now());
                return Some(answer);
            }
            Err(err) => {
                engine.settle_outage.failed(&err, engine.now());
                failures += 1;
                engine.sleep(backoff(failures)).await;
            }
        }
    }
    None
}

/// Acks. A lost ack brings the message back as a suspect, so it does no harm to give up.
pub(super) async fn ack(engine: &Engine, held: &HeldJob) {
    insist(engine, held, async || held.handle().ack().await).await;
}
