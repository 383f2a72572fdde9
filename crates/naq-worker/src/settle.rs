//! Settle: the new fact first, awaited, then the ack. The only place that acks.

mod cancelled;
mod follow_up;
mod job_end;
mod open_settlements;
mod settling;
mod until_answered;
mod wake;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

use self::open_settlements::OpenSettlements;
use crate::engine::{SettleRequest, WorkerState};

/// A settlement that takes longer than two or three ticks keeps the slot of its job. Within this time a
/// request whose answer was lost has been repeated.
const TICK: Duration = Duration::from_secs(1);

/// Settles what it is sent, many deliveries at once, for as long as the worker lives. While the broker
/// does not store outcomes, no more jobs start than there are slots for them.
pub(crate) async fn settle_all(
    worker: Arc<WorkerState>,
    mut requests: mpsc::UnboundedReceiver<SettleRequest>,
) {
    let worker = &*worker;
    let mut under_way = FuturesUnordered::new();
    let mut open = OpenSettlements::default();
    let mut tick = Box::pin(worker.sleep(TICK));
    loop {
        tokio::select! {
            Some(request) = requests.recv() => {
                let number = open.begin();
                under_way.push(async move {
                    settling::settle(worker, request).await;
                    number
                });
            }
            Some(number) = under_way.next() => {
                let was_delayed = open.end(number);
                worker.ready.settle_ended(was_delayed);
                if was_delayed {
                    report_health(worker);
                }
            }
            () = &mut tick, if !open.is_empty() => {
                tick.set(worker.sleep(TICK));
                let delayed = open.tick();
                (0..delayed).for_each(|_| worker.ready.settle_delayed());
                if delayed > 0 {
                    report_health(worker);
                }
            }
            // Never: the worker has a sender of these requests itself.
            else => return,
        }
    }
}

fn report_health(worker: &WorkerState) {
    worker.health.set_waits_for_settlements(worker.ready.waits_for_settlements());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what `call` returns, in bytes.
    fn size<A, B, T>(_: impl FnOnce(A, B) -> T) -> usize {
        size_of::<T>()
    }

    #[test]
    fn the_future_of_a_settlement_is_small() {
        let settlement =
            size(|worker: &'static WorkerState, request| settling::settle(worker, request));
        assert!(settlement <= 2_048, "{settlement} bytes");
    }
}
