//! [`until_answered`]: asks the broker until it answers.

use std::future::Future;

use naq_core::transport::TransportError;

use crate::delivery::HeldDelivery;
use crate::engine::WorkerState;
use crate::outage::backoff;

/// How often the broker may refuse what is stored beside the fact, before the worker does without it.
const REFUSALS: u32 = 4;

/// Asks the broker again after each error, until it answers or the lease is lost. Repeats after
/// permanent errors too, because an operator may grant a missing permission. Without this, the job
/// would run again and again until then. None when the lease is lost.
///
/// Only for what the job cannot be acked without. For everything else see [`until_refused`].
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
                worker.settle_outage.recovered(|| worker.now());
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

/// Like [`until_answered`], but gives up after a few permanent errors in a row: what is stored beside
/// the fact must not hold up the queue. The caller has to get along without it.
pub(super) async fn until_refused<T, F>(
    worker: &WorkerState,
    held: &HeldDelivery,
    mut ask: impl FnMut() -> F,
) -> Option<Result<T, TransportError>>
where
    F: Future<Output = Result<T, TransportError>>,
{
    let mut refusals = 0;
    loop {
        // A refusal is an answer, too.
        let answer = until_answered(worker, held, || {
            let asked = ask();
            async {
                match asked.await {
                    Err(err) if !err.is_transient() => Ok(Err(err)),
                    answer => answer.map(Ok),
                }
            }
        });
        match answer.await? {
            Err(_) if refusals + 1 < REFUSALS => {
                refusals += 1;
                worker.sleep(backoff(refusals)).await;
            }
            answer => return Some(answer),
        }
    }
}

/// Acks. A lost ack brings the message back as a suspect, so it does no harm to give up.
pub(super) async fn ack(worker: &WorkerState, held: &HeldDelivery) {
    until_answered(worker, held, async || held.handle().ack().await).await;
}
