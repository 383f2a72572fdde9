//! Settle: the new fact first, awaited, then the ack. The only place that acks.

mod carry_out;
mod end;
mod follow_up;
mod insist;
mod wake;

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

use crate::engine::{Engine, SettleRequest};

/// Settles what it is sent, many deliveries at once, for as long as the worker lives.
pub(crate) async fn settle_all(
    engine: Arc<Engine>,
    mut requests: mpsc::UnboundedReceiver<SettleRequest>,
) {
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(request) = requests.recv() => {
                under_way.push(carry_out::settle(&engine, request));
            }
            Some(()) = under_way.next() => {}
            // Never: the engine has a sender of these requests itself.
            else => return,
        }
    }
}
