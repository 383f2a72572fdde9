//! The fetch loop of one queue: a delivery for each free slot, and a few ahead.

use std::sync::Arc;
use std::time::Duration;

use naq_core::transport::{Delivery, Subscription, TransportError};

use super::prefetch::Prefetch;
use super::push_ready::push_ready;
use super::suspect_check;
use crate::crash::check_crashes;
use crate::delivery::StopReason;
use crate::engine::{WorkerQueue, WorkerState};
use crate::outage::Outage;
use crate::slots::MAX_BEYOND_SLOTS;

/// How long one request waits for a job.
const FETCH_WAIT: Duration = Duration::from_secs(10);
/// A queue that does not answer for this long is probably empty: the broker is asked whether it is.
const ASK_AFTER: Duration = Duration::from_millis(10);
/// A queue that has jobs and does not answer for this long counts as empty: other queues may use its slots.
const EMPTY_AFTER: Duration = Duration::from_secs(2);

/// Feeds the slots from one queue until the worker stops. Then gives back the deliveries that got
/// no slot.
pub(crate) async fn fetch_loop(
    worker: Arc<WorkerState>,
    queue: Arc<WorkerQueue>,
    mut open: Option<Box<dyn Subscription>>,
) {
    let mut outage = Outage::new(format!("queue {}", queue.name));
    let mut prefetch = Prefetch::new(worker.now());
    while !worker.stopping.is_cancelled() {
        let Some(subscription) = open.as_mut() else {
            open = subscribe(&worker, &queue, &mut outage).await;
            continue;
        };
        let ahead = prefetch.extra_jobs(worker.counts.finished(), worker.now());
        // Deliveries that wait here count against the queue's limit, and other workers could run
        // them.
        let ahead = if subscription.limit().is_some() { 0 } else { ahead };
        let fetched = async {
            tokio::select! {
                biased;
                wanted = wait_for_room(&worker, &queue, ahead) => {
                    fetch(&worker, &queue, subscription.as_mut(), wanted).await
                }
                // Deliveries that were asked for before arrive while there is no room, too. They
                // are taken in, so that their leases are renewed.
                owed = subscription.fetch(0, FETCH_WAIT) => owed,
            }
        };
        let fetched = unless_stopping(&worker, fetched).await;
        queue.take_over(&**subscription);
        match fetched {
            None => break,
            Some(Ok(batch)) => {
                outage.recovered(worker.now());
                worker.health.queue_ok(&queue.name);
                accept_batch(&worker, &queue, batch, &mut outage).await;
                worker.ready.fetch_ended(queue.index);
            }
            Some(Err(err)) => {
                worker.ready.queue_empty(queue.index);
                worker.health.queue_stuck(&queue.name);
                let wait = outage.failed(&err, worker.now());
                if !err.is_transient() {
                    // The queue may have been deleted. Opening it again creates it.
                    let left = open.take().map(Subscription::close);
                    if let Some(left) = left {
                        accept_batch(&worker, &queue, left.await, &mut outage).await;
                    }
                }
                sleep_unless_stopping(&worker, wait).await;
            }
        }
    }
    if let Some(subscription) = open {
        let left = subscription.close().await;
        accept_batch(&worker, &queue, left, &mut outage).await;
    }
}

/// Waits until the queue should be asked, and returns for how many deliveries.
async fn wait_for_room(worker: &WorkerState, queue: &WorkerQueue, ahead: usize) -> usize {
    let most = worker.concurrency + MAX_BEYOND_SLOTS;
    loop {
        let wanted = worker.ready.wait_for_room(queue.index, ahead).await;
        match wanted.min(most.saturating_sub(queue.held.len())) {
            // Jobs end faster than the broker stores their outcomes. Fetch again once there is room
            // for many: otherwise most of the time would go into requests.
            0 => {
                worker.ready.fetch_ended(queue.index);
                queue.held.wait_below(most - MAX_BEYOND_SLOTS / 4).await;
            }
            wanted => return wanted,
        }
    }
}

/// Asks the queue. Where the choice of the next job depends on it, an empty queue is noted.
async fn fetch(
    worker: &WorkerState,
    queue: &WorkerQueue,
    subscription: &mut dyn Subscription,
    wanted: usize,
) -> Result<Vec<Delivery>, TransportError> {
    let mut fetched = subscription.fetch(wanted, FETCH_WAIT);
    if !worker.ready.is_shared() {
        return fetched.await;
    }
    tokio::select! {
        biased;
        fetched = &mut fetched => fetched,
        () = seems_empty(worker, queue) => {
            worker.ready.queue_empty(queue.index);
            fetched.await
        }
    }
}

/// Waits while the queue has jobs, whose delivery is then under way: a distant or a busy broker answers later than
/// one beside the worker. Without this question its slow answer would be an empty queue, and jobs of a lower
/// priority would start.
async fn seems_empty(worker: &WorkerState, queue: &WorkerQueue) {
    let (mut waited, mut wait) = (Duration::ZERO, ASK_AFTER);
    while waited < EMPTY_AFTER {
        worker.sleep(wait).await;
        if !worker.transport.has_job(&queue.name).await.unwrap_or(false) {
            return;
        }
        waited += wait;
        wait *= 2;
    }
}

async fn subscribe(
    worker: &WorkerState,
    queue: &WorkerQueue,
    outage: &mut Outage,
) -> Option<Box<dyn Subscription>> {
    let asked = worker.transport.subscribe(&queue.name, worker.lease);
    match unless_stopping(worker, asked).await? {
        Ok(subscription) => {
            outage.recovered(worker.now());
            worker.health.queue_ok(&queue.name);
            queue.take_over(&*subscription);
            Some(subscription)
        }
        Err(err) => {
            worker.ready.queue_empty(queue.index);
            worker.health.queue_stuck(&queue.name);
            sleep_unless_stopping(worker, outage.failed(&err, worker.now())).await;
            None
        }
    }
}

/// Holds a batch, and passes to the slots what may run.
async fn accept_batch(
    worker: &Arc<WorkerState>,
    queue: &Arc<WorkerQueue>,
    batch: Vec<Delivery>,
    outage: &mut Outage,
) {
    let now = worker.now();
    if let Some(metrics) = &worker.metrics {
        let again = batch.iter().filter(|delivery| delivery.delivered > 1);
        again.for_each(|_| metrics.redelivered(&queue.name));
    }
    let held = batch.into_iter().filter_map(|delivery| queue.held.insert(delivery, now));
    let held = held.inspect(|held| {
        if worker.cancelled_lately.has(held, now) {
            tracing::info!(job = %held.job_id(), "not run: an operator has cancelled the job");
            held.request_stop(StopReason::Cancelled);
        }
    });
    let (suspects, clear): (Vec<_>, Vec<_>) = held.partition(|held| held.delivery.suspect);
    push_ready(worker, queue, clear);
    if !suspects.is_empty() {
        let unsettled = suspect_check::keep_unsettled(worker, queue, suspects, outage).await;
        let clear = check_crashes(worker, queue, unsettled).await;
        push_ready(worker, queue, clear);
    }
}

async fn unless_stopping<T>(worker: &WorkerState, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = worker.stopping.cancelled() => None,
        done = work => Some(done),
    }
}

async fn sleep_unless_stopping(worker: &WorkerState, wait: Duration) {
    unless_stopping(worker, worker.sleep(wait)).await;
}
