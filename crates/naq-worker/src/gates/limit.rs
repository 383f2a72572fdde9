//! Limits on jobs of one key, over all workers: how many run at once (*concurrency*), and how many
//! start in a time (*rate*).
//!
//! A limit slot is an entry of the state store, taken by compare and set, with a lease: the slot of
//! a worker that dies is free when the lease ends. A job that finds no slot waits in the broker's
//! schedule and joins the wait list. The worker that frees a slot releases the first job of the
//! list. If that worker dies before, the job starts at its own due time. A rate gives out start
//! times instead, and needs no list.

mod keys;
mod limit_rates;
mod limit_slots;
mod wait_list;

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use naq_core::flow::{Limit, look_again};
use naq_core::retry::{Action, Decision, Rule};
use naq_core::sync::lock;
use naq_core::transport::{JobKey, Stored, Transport, TransportError};
use naq_core::wire::AttemptOutcome;
use naq_core::{Envelope, Timer, Timestamp, WorkerId};

use self::limit_rates::{LimitRates, RateAnswer};
use self::limit_slots::LimitSlots;
use self::wait_list::WaitList;
use super::gate::Gate;
use super::gate_answer::{GateAnswer, GateExit};
use super::job_key::job_key;

/// A slot stays taken for this many leases without a renewal.
const SLOT_LEASES: u32 = 3;
/// How long a job waits after it lost every race for an entry.
const CONTENDED_WAIT: Duration = Duration::from_millis(500);
/// The number of jobs to remember between two calls of the gate.
const MAX_REMEMBERED: usize = 10_000;

/// The gate of limits.
#[derive(Debug)]
pub(crate) struct LimitGate {
    slots: LimitSlots,
    wait_list: WaitList,
    rates: LimitRates,
    /// The jobs that found no slot, each with its full limit. A job stays here until it is stored
    /// as waiting.
    joining: Mutex<HashMap<JobKey, NoFreeSlot>>,
    /// Jobs that were released for a slot and have asked for it. A job stays here until it is held
    /// back or ends.
    released: Mutex<HashSet<JobKey>>,
}

/// A limit whose slots are all taken.
#[derive(Debug)]
struct NoFreeSlot {
    key: String,
    /// How many slots the limit has.
    of: u32,
}

impl LimitGate {
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        timer: Arc<dyn Timer>,
        worker: WorkerId,
        lease: Duration,
    ) -> Self {
        Self {
            slots: LimitSlots::new(transport.clone(), timer, worker.clone(), lease * SLOT_LEASES),
            wait_list: WaitList::new(transport.clone(), worker),
            rates: LimitRates::new(transport),
            joining: Mutex::default(),
            released: Mutex::default(),
        }
    }

    /// Takes a slot of each limit. Otherwise returns why the job is held back.
    async fn take_slots(
        &self,
        job: &Envelope,
        stored: &Stored,
        now: Timestamp,
    ) -> Result<Option<GateAnswer>, TransportError> {
        for (key, of) in by_key(job) {
            if self.slots.take(job, stored, key, of).await? {
                continue;
            }
            self.joining().insert(job_key(job), NoFreeSlot { key: key.to_owned(), of });
            let waiting = self.wait_list.len(key).await?;
            let until = look_again(now, self.slots.ttl, waiting, job_fraction(job));
            let others = if waiting > 0 { format!(", {waiting} wait") } else { String::new() };
            let reason = match of {
                1 => format!("limit {key:?}: one job runs already{others}"),
                of => format!("limit {key:?}: {of} jobs run already{others}"),
            };
            return Ok(Some(hold_back(job, until, Some(key), reason)));
        }
        Ok(None)
    }

    /// Gets a start time from each rate that has not given one yet.
    async fn reserve(&self, job: &Envelope, now: Timestamp) -> Result<GateAnswer, TransportError> {
        let wants = |limit: &&Limit| limit.rate.is_some() && !limit.may_start(now);
        let open: Vec<&Limit> = job.limits.iter().filter(wants).collect();
        let Some(first) = open.first() else { return Ok(GateAnswer::Pass) };
        let start = match self.rates.reserve(&open, now, job.deadline).await? {
            RateAnswer::Now => return Ok(GateAnswer::Pass),
            RateAnswer::Never(start) => {
                let reason = format!("limit {:?}: its start time would be {start}", first.key);
                return Ok(GateAnswer::Stop(Decision::saying(
                    Action::Expire,
                    Rule::Deadline,
                    reason,
                )));
            }
            RateAnswer::Contended => {
                let until = retry_at(job, now);
                let reason = contention_reason(&first.key);
                return Ok(hold_back(job, until, Some(&first.key), reason));
            }
            RateAnswer::At(start) => start,
        };
        let mut limits = job.limits.clone();
        for limit in limits.iter_mut().filter(|limit| wants(&&**limit)) {
            limit.reserve(start);
        }
        let reason = format!("limit {:?}: its start time is {start}", first.key);
        Ok(GateAnswer::Reserve { until: start, by: first.key.clone(), reason, limits })
    }

    /// Frees the slots that the job holds, and releases the jobs that wait for them.
    async fn free_slots(&self, job: &Envelope, stored: &Stored) {
        for key in self.slots.free(job, stored).await {
            self.release_next(&key).await;
        }
    }

    async fn release_next(&self, key: &str) {
        if let Err(err) = self.wait_list.release_next(key).await {
            tracing::debug!(
                "limit {key:?}: no waiting job is released; they ask again later: {err}"
            );
        }
    }

    /// Adds a job to the wait list, once it waits in the broker's schedule.
    async fn join_wait_list(
        &self,
        job: &Envelope,
        no_slot: &NoFreeSlot,
    ) -> Result<(), TransportError> {
        self.wait_list.join(&no_slot.key, job).await?;
        // If the job is the first in the list, a worker that freed a slot since the job asked may
        // have found the list empty.
        if self.wait_list.is_first(&no_slot.key, job).await? {
            self.release_for_free_slots(&no_slot.key, no_slot.of).await?;
        }
        Ok(())
    }

    /// Releases one job for each free slot.
    async fn release_for_free_slots(&self, key: &str, of: u32) -> Result<(), TransportError> {
        for _ in 0..self.slots.count_free(key, of).await? {
            if !self.wait_list.release_next(key).await? {
                break;
            }
        }
        Ok(())
    }

    /// A job that was released for a slot may not have come for it: another gate holds it back, or
    /// it has ended. Then the next job gets the slot.
    async fn pass_slot_on(&self, job: &Envelope) {
        if self.released().remove(&job_key(job)) || !was_waiting(job) {
            return;
        }
        for (key, of) in by_key(job) {
            if let Err(err) = self.release_for_free_slots(key, of).await {
                tracing::debug!(
                    "limit {key:?}: no waiting job is released; they ask again later: {err}"
                );
            }
        }
    }

    fn released(&self) -> MutexGuard<'_, HashSet<JobKey>> {
        lock(&self.released)
    }

    fn joining(&self) -> MutexGuard<'_, HashMap<JobKey, NoFreeSlot>> {
        lock(&self.joining)
    }
}

/// The job's concurrency limits, in the order in which all jobs take them.
fn by_key(job: &Envelope) -> Vec<(&str, u32)> {
    let mut keys: Vec<_> =
        job.limits.iter().filter_map(|limit| Some((&*limit.key, limit.concurrency?))).collect();
    keys.sort_unstable();
    keys
}

/// Whether the job was held back for a slot before this delivery.
fn was_waiting(job: &Envelope) -> bool {
    let last = job.history.last();
    last.is_some_and(|r| r.outcome == AttemptOutcome::HeldBack && r.rule == Some(Rule::Limit))
}

/// A number from 0 to 1. It is the same each time until the job is held back again.
fn job_fraction(job: &Envelope) -> f64 {
    let mut hasher = DefaultHasher::new();
    (&job.id, job.snoozes).hash(&mut hasher);
    (hasher.finish() % 1000) as f64 / 1000.0
}

fn retry_at(job: &Envelope, now: Timestamp) -> Timestamp {
    now + CONTENDED_WAIT + CONTENDED_WAIT.mul_f64(job_fraction(job))
}

fn contention_reason(key: &str) -> String {
    format!("limit {key:?}: too many jobs ask for it at once")
}

/// Holds the job back until `until`. A job with an earlier deadline comes back just after the
/// deadline, and expires.
fn hold_back(job: &Envelope, until: Timestamp, by: Option<&str>, reason: String) -> GateAnswer {
    let late = job.deadline.map(|deadline| deadline + Duration::from_millis(1));
    let until = late.map_or(until, |late| late.min(until));
    GateAnswer::HoldBack { until, rule: Rule::Limit, by: by.map(str::to_owned), reason }
}

#[async_trait]
impl Gate for LimitGate {
    fn applies_to(&self, job: &Envelope) -> bool {
        !job.limits.is_empty()
    }

    fn rule(&self) -> Rule {
        Rule::Limit
    }

    async fn enter(
        &self,
        job: &Envelope,
        stored: &Stored,
        now: Timestamp,
    ) -> Result<GateAnswer, TransportError> {
        {
            // An earlier delivery, whose lease was lost, may have left an entry.
            let mut joining = self.joining();
            joining.remove(&job_key(job));
            if joining.len() >= MAX_REMEMBERED {
                joining.clear();
            }
        }
        if was_waiting(job) {
            let mut released = self.released();
            if released.len() >= MAX_REMEMBERED {
                released.clear();
            }
            released.insert(job_key(job));
        }
        // An operator made the job due early. Its start time stays as it is.
        if let Some((start, key)) = reserved_start(job, now) {
            let (rule, by) = (Rule::Limit, Some(key.to_owned()));
            let reason = format!("its start time is {start}");
            return Ok(GateAnswer::HoldBack { until: start, rule, by, reason });
        }
        let answer = match self.take_slots(job, stored, now).await {
            Ok(None) => self.reserve(job, now).await,
            Ok(Some(held)) => Ok(held),
            Err(err) => Err(err),
        };
        if !matches!(answer, Ok(GateAnswer::Pass)) {
            self.free_slots(job, stored).await;
        }
        answer
    }

    async fn leave(&self, job: &Envelope, stored: &Stored, _call: &GateExit, _now: Timestamp) {
        self.free_slots(job, stored).await;
    }

    async fn held_back(&self, job: &Envelope) {
        let no_slot = self.joining().remove(&job_key(job));
        let Some(no_slot) = no_slot else { return self.pass_slot_on(job).await };
        self.released().remove(&job_key(job));
        if let Err(err) = self.join_wait_list(job, &no_slot).await {
            tracing::debug!(job = %job.id, "not in the wait list; the job asks again later: {err}");
        }
    }

    async fn job_ended(&self, job: &Envelope, _now: Timestamp) {
        self.pass_slot_on(job).await;
    }

    async fn maintain(&self) {
        self.slots.renew_loop().await;
    }
}

/// The latest start time that a rate gave the job, and the key of that rate.
fn reserved_start(job: &Envelope, now: Timestamp) -> Option<(Timestamp, &str)> {
    let starts = job.limits.iter().filter_map(|limit| Some((limit.reserved?, &*limit.key)));
    starts.max().filter(|(start, _)| *start > now)
}
