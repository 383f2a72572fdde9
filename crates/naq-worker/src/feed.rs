//! One queue's fetch loop: as many deliveries as there are slots for, plus a little ahead.

use std::sync::Arc;
use std::time::Duration;

use naq_core::transport::{Delivery, Subscription, TransportError};

use crate::ahead::Ahead;
use crate::conclude::Conclusion;
use crate::engine::{Engine, Queue};
use crate::held::Held;
use crate::outage::Outage;
use crate::suspects;

/// How long one request waits for a job.
const FETCH_WAIT: Duration = Duration::from_secs(10);
/// A queue that is asked and answers nothing for so long has nothing.
const PATIENCE: Duration = Duration::from_millis(10);
/// Deliveries that may be held beyond the slots, whether they wait, or their outcome is on its way.
const MOST_BEYOND_SLOTS: usize = 1000;

/// Feeds the slots from one queue until the worker stops; then gives back what never got a slot.
pub(crate) async fn feed(
    engine: Arc<Engine>,
    queue: Arc<Queue>,
    mut open: Option<Box<dyn Subscription>>,
) {
    let mut outage = Outage::of(format!("queue {}", queue.name));
    let mut ahead = Ahead::new(engine.now());
    while !engine.stopping.is_cancelled() {
        let Some(subscription) = open.as_mut() else {
            open = subscribe(&engine, &queue, &mut outage).await;
            continue;
        };
        let ahead = ahead.jobs(engine.counts.finished(), engine.now());
        // What waits here counts against the queue's limit, and others might run it.
        let ahead = if subscription.limit().is_some() { 0 } else { ahead };
        let fetched = async {
            tokio::select! {
                biased;
                wanted = room(&engine, &queue, ahead) => {
                    fetch(&engine, &queue, subscription.as_mut(), wanted).await
                }
                // What was asked for before comes also while there is no room. It must not lie
                // where nobody renews its lease.
                owed = subscription.fetch(0, FETCH_WAIT) => owed,
            }
        };
        let fetched = until_stop(&engine, fetched).await;
        // It may have been changed at the broker.
        queue.set_terms(&**subscription);
        match fetched {
            None => break,
            Some(Ok(batch)) => {
                outage.over(engine.now());
                engine.health.flows(&queue.name);
                take_in(&engine, &queue, batch, &mut outage).await;
                engine.ready.asked(queue.index);
            }
            Some(Err(err)) => {
                engine.ready.dry(queue.index);
                engine.health.stuck_at(&queue.name);
                let wait = outage.failed(&err, engine.now());
                if !err.is_transient() {
                    // The queue may be gone; opening it anew creates it.
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

/// Waits until it is worth fetching, and says how many.
async fn room(engine: &Engine, queue: &Queue, ahead: usize) -> usize {
    let most = engine.concurrency + MOST_BEYOND_SLOTS;
    loop {
        let wanted = engine.ready.room(queue.index, ahead).await;
        match wanted.min(most.saturating_sub(queue.held.len())) {
            // Outcomes pile up faster than the broker takes them. No more jobs until there is room
            // for a good many: a pull for each would be most of the work.
            0 => {
                engine.ready.asked(queue.index);
                queue.held.below(most - MOST_BEYOND_SLOTS / 4).await;
            }
            wanted => return wanted,
        }
    }
}

/// Asks the queue. Where it matters to others whether it has something, it is said when not.
async fn fetch(
    engine: &Engine,
    queue: &Queue,
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
        () = engine.sleep(PATIENCE) => {
            engine.ready.dry(queue.index);
            fetched.await
        }
    }
}

async fn subscribe(
    engine: &Engine,
    queue: &Queue,
    outage: &mut Outage,
) -> Option<Box<dyn Subscription>> {
    let asked = engine.transport.subscribe(&queue.name, engine.lease);
    match until_stop(engine, asked).await? {
        Ok(subscription) => {
            outage.over(engine.now());
            engine.health.flows(&queue.name);
            queue.set_terms(&*subscription);
            Some(subscription)
        }
        Err(err) => {
            engine.ready.dry(queue.index);
            engine.health.stuck_at(&queue.name);
            pause(engine, outage.failed(&err, engine.now())).await;
            None
        }
    }
}

/// Holds a batch, and passes on to the slots what is to run.
async fn take_in(engine: &Engine, queue: &Arc<Queue>, batch: Vec<Delivery>, outage: &mut Outage) {
    let now = engine.now();
    if let Some(meters) = &engine.meters {
        let again = batch.iter().filter(|delivery| delivery.delivered > 1);
        again.for_each(|_| meters.redelivered(&queue.name));
    }
    let held = batch.into_iter().filter_map(|delivery| queue.held.insert(delivery, now));
    let (suspects, clear): (Vec<_>, Vec<_>) = held.partition(|held| held.delivery.suspect);
    pass_on(engine, queue, clear);
    if !suspects.is_empty() {
        let clear = suspects::innocent(engine, queue, suspects, outage).await;
        pass_on(engine, queue, clear);
    }
}

fn pass_on(engine: &Engine, queue: &Arc<Queue>, batch: Vec<Arc<Held>>) {
    if let Err(batch) = engine.ready.push(queue.index, batch) {
        for held in batch {
            give_back_waiting(engine, queue, held);
        }
    }
}

/// Gives back a delivery that has no slot. One that got a slot just now is left alone.
pub(crate) fn give_back_waiting(engine: &Engine, queue: &Arc<Queue>, held: Arc<Held>) {
    if held.claim_waiting() {
        engine.settle_claimed(queue, held, Conclusion::GiveBack);
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
