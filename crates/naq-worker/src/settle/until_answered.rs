//! [`until_answered`]: asks the broker until it answers.

use std::future::Future;

use naq_core::transport::TransportError;

use crate::delivery::HeldDelivery;
use crate::engine::WorkerState;
use crate::outage::backoff;

/// Asks the broker again after each error, until it answers or the lease is lost. Repeats after
/// permanent errors too, because an operator may grant a missing permission. Without this, the job
/// would run again and again until then. None when the lease is lost.
pub(super) async fn until_answered<T, F>(
    worker: &WorkerState,
    held: &HeldDelivery,
    mut ask: impl FnMut() -> F,
) -> Option<T>
where
    F: Future<Output = Result<T, TransportError>>,
{
    let mut failures = 0;
    while !held.is_lease_lost() {
        match ask().await {
            Ok(answer) => {
                worker.settle_outage.recovered(worker.now());
                return Some(answer);
            }
            Err(err) => {
                worker.settle_outage.failed(&err, worker.now());
                worker.ready.settle_delayed();
                failures += 1;
                worker.sleep(backoff(failures)).await;
            }
        }
    }
    None
}

/// Acks. A lost ack brings the message back as a suspect, so it does no harm to give up.
pub(super) async fn ack(worker: &WorkerState, held: &HeldDelivery) {
    until_answered(worker, held, async || held.handle().ack().await).await;
}
