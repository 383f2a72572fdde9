//! Calls the jobs with crashes to a slot, one after the other.

use std::sync::Arc;

use super::apart_line::NextApart;
use crate::delivery::HeldDelivery;
use crate::engine::WorkerState;
use crate::intake::push_ready;

/// Calls jobs for as long as the worker lives. A worker that stops gives them back.
pub(crate) async fn apart_loop(worker: Arc<WorkerState>) {
    let line = &worker.apart_line;
    loop {
        if worker.stopping.is_cancelled() {
            line.drain().into_iter().for_each(|held| to_slots(&worker, held));
            line.changed().await;
            continue;
        }
        let until = match line.next(worker.now()) {
            NextApart::Call(held) => {
                to_slots(&worker, held);
                continue;
            }
            NextApart::Wait(until) => until,
        };
        tokio::select! {
            () = line.changed() => {}
            () = worker.stopping.cancelled() => {}
            () = sleep_until(&worker, until), if until.is_some() => {}
        }
    }
}

/// After the worker has begun to stop, the delivery is given back.
fn to_slots(worker: &WorkerState, held: Arc<HeldDelivery>) {
    if let Some(queue) = worker.queue_of(&held) {
        push_ready(worker, &queue, vec![held]);
    }
}

async fn sleep_until(worker: &WorkerState, until: Option<naq_core::Timestamp>) {
    if let Some(until) = until {
        worker.timer.sleep_until(until).await;
    }
}
