//! Settle: the new fact first, awaited, then the ack. The only place that acks.

mod cancelled;
mod follow_up;
mod job_end;
mod settling;
mod until_answered;
mod wake;

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

use crate::engine::{SettleRequest, WorkerState};

/// Settles what it is sent, many deliveries at once, for as long as the worker lives.
pub(crate) async fn settle_all(
    worker: Arc<WorkerState>,
    mut requests: mpsc::UnboundedReceiver<SettleRequest>,
) {
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(request) = requests.recv() => {
                under_way.push(settling::settle(&worker, request));
            }
            Some(()) = under_way.next() => {}
            // Never: the worker has a sender of these requests itself.
            else => return,
        }
    }
}
