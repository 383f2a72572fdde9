//! The fetch loop of one queue: a delivery for each free slot, and a few ahead.

use std::sync::Arc;
use std::time::Duration;

use naq_core::transport::{Delivery, Subscription, TransportError};

use super::read_ahead::ReadAhead;
use super::{give_back_waiting, suspects};
use crate::delivery::HeldJob;
use crate::engine::{Engine, WorkerQueue};
use crate::outage::Outage;

/// How long one request waits for a job.
const FETCH_WAIT: Duration = Duration::from_secs(10);
/// A queue that does not answer for this long counts as empty.
const EMPTY_AFTER: Duration = Duration::from_millis(10);
/// Deliveries that may be held beyond those in a slot: they wait for one, or are being settled.
const MAX_BEYOND_SLOTS: usize = 1000;

/// Feeds the slots from one queue until the worker stops. Then gives back the deliveries that got no
/// slot.
pub(crate) async fn feed(
    engine: Arc<Engine>,
    queue: Arc<WorkerQueue>,
    mut open: Option<Box<dyn Subscription>>,
) {
    let mut outage = Outage::of(format!("queue {}", queue.name));
    let mut ahead = ReadAhead::new(engine.now());
    while !engine.stopping.is_cancelled() {
        let Some(subscription) = open.as_mut() else {
            open = subscribe(&engine, &queue, &mut outage).await;
            continue;
        };
        let ahead = ahead.jobs(engine.counts.finished(), engine.now());
        // Deliveries that wait here count against the queue's limit, and other workers could run them.
        let ahead = if subscription.limit().is_some() { 0 } else { ahead };
        let fetched = async {
            tokio::select! {
                biased;
                wanted = room(&engine, &queue, ahead) => {
                    fetch(&engine, &queue, subscription.as_mut(), wanted).await
                }
                // Deliveries that were asked for before arrive while there is no room, too. They are
                // taken in, so that their leases are renewed.
                owed = subscription.fetch(0, FETCH_WAIT) => owed,
            }
        };
        let fetched = until_stop(&engine, fetched).await;
        queue.take_over(&**subscription);
        match fetched {
            None => break,
            Some(Ok(batch)) => {
                outage.over(engine.now());
                engine.health.answers(&queue.name);
                take_in(&engine, &queue, batch, &mut outage).await;
                engine.ready.answered(queue.index);
            }
            Some(Err(err)) => {
                engine.ready.mark_empty(queue.index);
                engine.health.stuck(&queue.name);
                let wait = outage.failed(&err, engine.now());
                if !err.is_transient() {
                    // The queue may have been deleted. Opening it again creates it.
                    let left = open.take().map(Subscription::close);
                    if let Some(left) = left {
                        take_in(&engine, &queue, left.await, &mut outage).await;
                    }
                }
                pause(&engine, wait).await;
            }
        }
    }
    if let Some(subscription) = open {
        let left = subscription.close().await;
        take_in(&engine, &queue, left, &mut outage).await;
    }
}

/// Waits until the queue should be asked, and returns for how many deliveries.
async fn room(engine: &Engine, queue: &WorkerQueue, ahead: usize) -> usize {
    let most = engine.concurrency + MAX_BEYOND_SLOTS;
    loop {
        let wanted = engine.ready.room(queue.index, ahead).await;
        match wanted.min(most.saturating_sub(queue.held.len())) {
            // Jobs end faster than the broker stores their outcomes. Fetch again once there is room
            // for many: otherwise most of the time would go into requests.
            0 => {
                engine.ready.answered(queue.index);
                queue.held.below(most - MAX_BEYOND_SLOTS / 4).await;
            }
            wanted => return wanted,
        }
    }
}

/// Asks the queue. Where the choice of the next job depends on it, an empty queue is noted.
async fn fetch(
    engine: &Engine,
    queue: &WorkerQueue,
    subscription: &mut dyn Subscription,
    wanted: usize,
) -> Result<Vec<Delivery>, TransportError> {
    let mut fetched = subscription.fetch(wanted, FETCH_WAIT);
    if !engine.ready.is_shared() {
        return fetched.await;
    }
    tokio::select! {
        biased;
        fetched = &mut fetched => fetched,
        () = engine.sleep(EMPTY_AFTER) => {
            engine.ready.mark_empty(queue.index);
            fetched.await
        }
    }
}

async fn subscribe(
    engine: &Engine,
    queue: &WorkerQueue,
    outage: &mut Outage,
) -> Option<Box<dyn Subscription>> {
    let asked = engine.transport.subscribe(&queue.name, engine.lease);
    match until_stop(engine, asked).await? {
        Ok(subscription) => {
            outage.over(engine.now());
            engine.health.answers(&queue.name);
            queue.take_over(&*subscription);
            Some(subscription)
        }
        Err(err) => {
            engine.ready.mark_empty(queue.index);
            engine.health.stuck(&queue.name);
            pause(engine, outage.failed(&err, engine.now())).await;
            None
        }
    }
}

/// Holds a batch, and passes to the slots what may run.
async fn take_in(
    engine: &Engine,
    queue: &Arc<WorkerQueue>,
    batch: Vec<Delivery>,
    outage: &mut Outage,
) {
    let now = engine.now();
    if let Some(meters) = &engine.meters {
        let again = batch.iter().filter(|delivery| delivery.delivered > 1);
        again.for_each(|_| meters.redelivered(&queue.name));
    }
    let held = batch.into_iter().filter_map(|delivery| queue.held.insert(delivery, now));
    let (suspects, clear): (Vec<_>, Vec<_>) = held.partition(|held| held.delivery.suspect);
    pass_on(engine, queue, clear);
    if !suspects.is_empty() {
        let clear = suspects::cleared(engine, queue, suspects, outage).await;
        pass_on(engine, queue, clear);
    }
}

fn pass_on(engine: &Engine, queue: &Arc<WorkerQueue>, batch: Vec<Arc<HeldJob>>) {
    if let Err(batch) = engine.ready.push(queue.index, batch) {
        for held in batch {
            give_back_waiting(engine, queue, held);
        }
    }
}

async fn until_stop<T>(engine: &Engine, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = engine.stopping.cancelled() => None,
        done = work => Some(done),
    }
}

async fn pause(engine: &Engine, wait: Duration) {
    until_stop(engine, engine.sleep(wait)).await;
}
