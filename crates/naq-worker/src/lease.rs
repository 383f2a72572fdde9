//! Keeps the leases of all that is held of one queue, from a task that no handler runs on.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use naq_core::Timestamp;
use tokio::time::Instant;

use crate::engine::{Engine, Queue};
use crate::feed::give_back_waiting;
use crate::held::{Held, StopReason};

/// A pause that no setting of a broker makes shorter.
const SHORTEST: Duration = Duration::from_millis(10);
/// How long a job of a queue with a limit waits here for a slot, while others might run it.
const LIMITED_HOLD: Duration = Duration::from_millis(500);
/// Renewals under way at once.
const AT_ONCE: usize = 64;

/// The next round: when, on a clock that may be set, and by the time that really passes.
#[derive(Debug)]
struct Round {
    at: Timestamp,
    really: Instant,
}

impl Round {
    fn at(at: Timestamp, now: Timestamp) -> Self {
        Self { at, really: Instant::now() + at.since(now) }
    }

    /// How far the clock was set forward, if it was: it is late by `slack`, and the round is not.
    /// A process that was stopped is late by both, and has lost its leases. Where a machine's sleep
    /// does not count as time, it cannot be told from a clock that was set.
    fn step(&self, now: Timestamp, slack: Duration) -> Option<Duration> {
        let late = now.since(self.at);
        (late >= slack && Instant::now() < self.really + slack).then_some(late)
    }
}

/// Renews every lease when a third of it is over; tells a handler when its lease is lost; gives
/// back what has waited for a slot too long, so that another worker can have it.
pub(crate) async fn keep(engine: Arc<Engine>, queue: Arc<Queue>) {
    let mut lease = queue.lease();
    let mut round = Round::at(engine.now(), engine.now());
    loop {
        // What was renewed under a longer lease, before somebody changed it, has that one still.
        let before = std::mem::replace(&mut lease, queue.lease());
        let third = (lease / 3).max(SHORTEST);
        let now = engine.now();
        let step = round.step(now, third);
        if let Some(step) = step {
            tracing::warn!(queue = %queue.name, "the clock was set forward by {step:?}");
        }
        let hold = if queue.is_limited() { lease.min(LIMITED_HOLD) } else { lease };
        let mut wake = now + third.min(hold);
        let mut due = Vec::new();
        for held in queue.held.all() {
            if held.is_lost() {
                continue;
            }
            if let Some(step) = step {
                held.clock_moved(step);
            }
            if now >= held.lease_end(lease.max(before)) {
                lose(&held);
                continue;
            }
            wake = wake.min(held.lease_end(lease.max(before)));
            if now.since(held.received_at) >= hold {
                give_back_waiting(&engine, &queue, held.clone());
            }
            // A younger one has until the next round.
            if held.is_due(now, third / 2) {
                due.push(held);
            }
        }
        round = Round::at(wake, now);
        let failed = tokio::select! {
            failed = renew(due, now) => failed,
            // Renewals that hang must not hide that leases end.
            () = engine.timer.sleep_until(wake) => continue,
            () = queue.lease_changed() => continue,
        };
        if failed {
            wake = wake.min(now + third / 4);
            round = Round::at(wake, engine.now());
        }
        tokio::select! {
            () = engine.timer.sleep_until(wake) => {}
            () = queue.lease_changed() => {}
        }
    }
}

/// Whether any renewal failed.
async fn renew(due: Vec<Arc<Held>>, now: Timestamp) -> bool {
    stream::iter(due)
        .map(|held| async move {
            match held.handle().renew().await {
                Ok(()) => {
                    held.renewed(now);
                    false
                }
                Err(err) => {
                    tracing::debug!(job = %held.id(), "lease not renewed: {err}");
                    true
                }
            }
        })
        .buffer_unordered(AT_ONCE)
        .fold(false, |any, failed| async move { any | failed })
        .await
}

fn lose(held: &Held) {
    tracing::warn!(job = %held.id(), "lease lost: it could not be renewed in time");
    held.stop(StopReason::LeaseLost);
}
