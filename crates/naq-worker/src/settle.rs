//! Settle: the new fact first, awaited, then the ack. The only place that acks.

mod cancelled;
mod follow_up;
mod job_end;
mod settling;
mod until_answered;
mod wake;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

use crate::engine::{SettleRequest, WorkerState};

/// A settlement that takes longer than this keeps the slot of its job. Within this time a request whose
/// answer was lost has been repeated.
const SOON: Duration = Duration::from_secs(2);

/// Settles what it is sent, many deliveries at once, for as long as the worker lives.
pub(crate) async fn settle_all(
    worker: Arc<WorkerState>,
    mut requests: mpsc::UnboundedReceiver<SettleRequest>,
) {
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(request) = requests.recv() => {
                under_way.push(settle(&worker, request));
            }
            Some(()) = under_way.next() => {}
            // Never: the worker has a sender of these requests itself.
            else => return,
        }
    }
}

/// While the broker does not store outcomes, no more jobs start than there are slots for them.
async fn settle(worker: &WorkerState, request: SettleRequest) {
    let mut settled = std::pin::pin!(settling::settle(worker, request));
    let was_delayed = tokio::select! {
        biased;
        () = &mut settled => false,
        () = worker.sleep(SOON) => {
            worker.ready.settle_delayed();
            worker.health.set_waits_for_settlements(worker.ready.waits_for_settlements());
            settled.await;
            true
        }
    };
    worker.ready.settle_ended(was_delayed);
    if was_delayed {
        worker.health.set_waits_for_settlements(worker.ready.waits_for_settlements());
    }
}
