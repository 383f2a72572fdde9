//! Renews the leases of all deliveries held of one queue. It runs on a task that no handler can
//! block.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use naq_core::Timestamp;
use tokio::time::Instant;

use super::give_back_waiting;
use crate::delivery::{HeldDelivery, StopReason};
use crate::engine::{WorkerQueue, WorkerState, slack};

/// The shortest time between two rounds, for any lease.
const MIN_WAIT: Duration = Duration::from_millis(10);
/// How long a delivery of a queue with a limit may wait for a slot of this worker. While it waits
/// it uses up the limit, and another worker with a free slot could run it.
const LIMITED_HOLD: Duration = Duration::from_millis(500);
/// Renewals in flight at once.
const AT_ONCE: usize = 64;

/// The time of the next round, by two clocks: the machine's clock, which an operator may set, and
/// the monotonic clock.
#[derive(Debug)]
struct RenewalRound {
    at: Timestamp,
    elapsed_at: Instant,
}

impl RenewalRound {
    fn at(at: Timestamp, now: Timestamp) -> Self {
        Self { at, elapsed_at: Instant::now() + at.since(now) }
    }

    /// Whether this round comes later than it must.
    fn is_late(&self, now: Timestamp, slack: Duration) -> bool {
        now.since(self.at) >= slack
    }

    /// How far the machine's clock was set forward. None when the round is late by less than
    /// `slack`, or late by both clocks. A round is late by both clocks after the process was
    /// stopped for a while; then its leases are lost. The sleep of a machine whose monotonic clock
    /// stops meanwhile looks like a clock that was set forward.
    fn clock_jump(&self, now: Timestamp, slack: Duration) -> Option<Duration> {
        let late = now.since(self.at);
        (late >= slack && Instant::now() < self.elapsed_at + slack).then_some(late)
    }
}

/// Renews every lease when a third of it is over. Stops a handler whose lease is lost. Gives back
/// deliveries that have waited too long for a slot, so that another worker can run them.
pub(crate) async fn renew_loop(worker: Arc<WorkerState>, queue: Arc<WorkerQueue>) {
    let mut lease = queue.lease();
    let mut round = RenewalRound::at(worker.now(), worker.now());
    loop {
        // A delivery that was renewed before an operator shortened the lease has the longer one.
        let before = std::mem::replace(&mut lease, queue.lease());
        let third = (lease / 3).max(MIN_WAIT);
        let now = worker.now();
        let jump = round.clock_jump(now, third);
        if jump.is_none() && round.is_late(now, slack(lease)) {
            tracing::warn!(queue = %queue.name, "this process stood still for {:?}", now.since(round.at));
            queue.standstill.round_was_late(now);
        }
        if let Some(jump) = jump {
            tracing::warn!(queue = %queue.name, "the clock was set forward by {jump:?}");
        }
        let hold = if queue.is_limited() { lease.min(LIMITED_HOLD) } else { lease };
        let mut wake = now + third.min(hold);
        let mut due = Vec::new();
        for held in queue.held.all() {
            if held.is_lease_lost() {
                continue;
            }
            if let Some(jump) = jump {
                held.shift_clock(jump);
            }
            if now >= held.lease_end(lease.max(before)) {
                mark_lost(&held);
                continue;
            }
            wake = wake.min(held.lease_end(lease.max(before)));
            // While no outcome is stored, nothing can be given back, either.
            if now.since(held.received_at) >= hold && !worker.ready.waits_for_settlements() {
                give_back_waiting(&worker, &queue, held.clone());
            }
            // A younger lease is renewed in the next round.
            if held.is_due(now, third / 2) {
                due.push(held);
            }
        }
        round = RenewalRound::at(wake, now);
        queue.standstill.expect_round(wake);
        let failed = tokio::select! {
            failed = renew_due(due, now) => failed,
            // Renewals that do not return must not hide that leases end.
            () = worker.timer.sleep_until(wake) => continue,
            () = queue.lease_changed() => continue,
        };
        if failed {
            wake = wake.min(now + third / 4);
            round = RenewalRound::at(wake, worker.now());
            queue.standstill.expect_round(wake);
        }
        tokio::select! {
            () = worker.timer.sleep_until(wake) => {}
            () = queue.lease_changed() => {}
        }
    }
}

/// Whether any renewal failed.
async fn renew_due(due: Vec<Arc<HeldDelivery>>, now: Timestamp) -> bool {
    stream::iter(due)
        .map(|held| async move {
            match held.handle().renew().await {
                Ok(()) => {
                    held.renewed(now);
                    false
                }
                Err(err) => {
                    tracing::debug!(job = %held.job_id(), "lease not renewed: {err}");
                    true
                }
            }
        })
        .buffer_unordered(AT_ONCE)
        .fold(false, |any, failed| async move { any | failed })
        .await
}

fn mark_lost(held: &HeldDelivery) {
    tracing::warn!(job = %held.job_id(), "lease lost: it could not be renewed in time");
    held.request_stop(StopReason::LeaseLost);
}
