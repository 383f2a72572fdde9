//! Limits that jobs of one key share across all workers: how many run at once, and how many start in
//! a time.
//!
//! A slot is an entry in the store of what all workers share, taken by compare-and-set and leased: a
//! worker that dies lets go of it when the lease ends. Who finds none waits in the broker's schedule
//! and stands in a line; whoever frees a slot releases the first in it. The waiting job's own time is
//! only for the case that somebody died in between. A rate gives out start times instead, and needs
//! no line.

mod line;
mod rates;
mod slots;

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use naq_core::flow::{Limit, look_again};
use naq_core::retry::{Action, Decision, Rule};
use naq_core::transport::{JobKey, Stored, Transport, TransportError};
use naq_core::wire::AttemptOutcome;
use naq_core::{Envelope, Timer, Timestamp, WorkerId};

use self::line::Line;
use self::rates::{Rates, Start};
use self::slots::Slots;
use super::{Entry, Gate, Left};

/// Leases for which a slot is kept without being renewed.
const LEASES: u32 = 3;
/// How long a job waits that lost every race for an entry.
const SHORT: Duration = Duration::from_millis(500);
/// Jobs that are on their way from this gate to the line.
const LEAVING: usize = 10_000;

/// The gate of limits.
#[derive(Debug)]
pub(crate) struct LimitGate {
    slots: Slots,
    line: Line,
    rates: Rates,
    /// Jobs that found no slot, and of which key, until their waiting is stored.
    leaving: Mutex<HashMap<JobKey, Full>>,
    /// Jobs that were woken for a slot and have come here for it, until they are put aside or end.
    came: Mutex<HashSet<JobKey>>,
}

/// All slots of this key are taken.
#[derive(Debug)]
struct Full {
    key: String,
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
            slots: Slots::new(transport.clone(), timer, worker.clone(), lease * LEASES),
            line: Line::new(transport.clone(), worker),
            rates: Rates::new(transport),
            leaving: Mutex::default(),
            came: Mutex::default(),
        }
    }

    /// Takes a slot of each key; or says why the job has to wait.
    async fn take_slots(
        &self,
        job: &Envelope,
        stored: &Stored,
        now: Timestamp,
    ) -> Result<Option<Entry>, TransportError> {
        for (key, of) in by_key(job) {
            if self.slots.take(job, stored, key, of).await? {
                continue;
            }
            self.leaving().insert(key_of(job), Full { key: key.to_owned(), of });
            let waiting = self.line.len(key).await?;
            let until = look_again(now, self.slots.ttl, waiting, spread(job));
            let others = if waiting > 0 { format!(", {waiting} wait") } else { String::new() };
            let reason = match of {
                1 => format!("limit {key:?}: one job runs already{others}"),
                of => format!("limit {key:?}: {of} jobs run already{others}"),
            };
            return Ok(Some(park(job, until, reason)));
        }
        Ok(None)
    }

    /// Gets a start from each rate that has not given one yet.
    async fn reserve(&self, job: &Envelope, now: Timestamp) -> Result<Entry, TransportError> {
        let wants = |limit: &&Limit| limit.rate.is_some() && !limit.may_start(now);
        let open: Vec<&Limit> = job.limits.iter().filter(wants).collect();
        let Some(first) = open.first() else { return Ok(Entry::Pass) };
        let start = match self.rates.reserve(&open, now, job.deadline).await? {
            Start::Now => return Ok(Entry::Pass),
            Start::Never(start) => {
                let reason = format!("limit {:?}: its turn would be at {start}", first.key);
                return Ok(Entry::Stop(Decision::saying(Action::Expire, Rule::Deadline, reason)));
            }
            Start::Lost => return Ok(park(job, later(job, now), contended(&first.key))),
            Start::At(start) => start,
        };
        let mut limits = job.limits.clone();
        for limit in limits.iter_mut().filter(|limit| wants(&&**limit)) {
            limit.reserve(start);
        }
        let reason = format!("limit {:?}: its turn is at {start}", first.key);
        Ok(Entry::Reserve { until: start, reason, limits })
    }

    /// Frees what the job holds, and lets those go on who wait for it.
    async fn let_go(&self, job: &Envelope, stored: &Stored) {
        for key in self.slots.free(job, stored).await {
            self.wake(&key).await;
        }
    }

    async fn wake(&self, key: &str) {
        if let Err(err) = self.line.wake(key).await {
            tracing::debug!("limit {key:?}: whoever waits looks later: {err}");
        }
    }

    /// Puts a job in line that waits in the broker's schedule by now.
    async fn stand_in_line(&self, job: &Envelope, full: &Full) -> Result<(), TransportError> {
        self.line.join(&full.key, job).await?;
        // Whoever has freed a slot since the job looked may have seen nobody in the line, if nobody is
        // before it.
        if self.line.is_first(&full.key, job).await? {
            self.wake_for_free(&full.key, full.of).await?;
        }
        Ok(())
    }

    /// Lets so many go on as there are free slots.
    async fn wake_for_free(&self, key: &str, of: u32) -> Result<(), TransportError> {
        for _ in 0..self.slots.count_free(key, of).await? {
            if !self.line.wake(key).await? {
                break;
            }
        }
        Ok(())
    }

    /// A job that was woken for a slot may not have come for it: another gate holds it back, or it
    /// has ended. Then the slot is the next one's.
    async fn pass_on(&self, job: &Envelope) {
        if self.came().remove(&key_of(job)) || !waited(job) {
            return;
        }
        for (key, of) in by_key(job) {
            if let Err(err) = self.wake_for_free(key, of).await {
                tracing::debug!("limit {key:?}: whoever waits looks later: {err}");
            }
        }
    }

    fn came(&self) -> MutexGuard<'_, HashSet<JobKey>> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leaving(&self) -> MutexGuard<'_, HashMap<JobKey, Full>> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The job's concurrency limits, in the one order in which everybody takes them.
fn by_key(job: &Envelope) -> Vec<(&str, u32)> {
    let mut keys: Vec<_> =
        job.limits.iter().filter_map(|limit| Some((&*limit.key, limit.concurrency?))).collect();
    keys.sort_unstable();
    keys
}

/// Whether the last that happened to it is that it waited for a slot.
fn waited(job: &Envelope) -> bool {
    let last = job.history.last();
    last.is_some_and(|r| r.outcome == AttemptOutcome::HeldBack && r.rule == Some(Rule::Limit))
}

fn key_of(job: &Envelope) -> JobKey {
    JobKey { queue: job.queue.clone(), id: job.id.clone() }
}

/// A number from 0 to 1, the same for the same attempt to start.
fn spread(job: &Envelope) -> f64 {
    let mut hasher = DefaultHasher::new();
    (&job.id, job.snoozes).hash(&mut hasher);
    (hasher.finish() % 1000) as f64 / 1000.0
}

fn later(job: &Envelope, now: Timestamp) -> Timestamp {
    now + SHORT + SHORT.mul_f64(spread(job))
}

fn contended(key: &str) -> String {
    format!("limit {key:?}: many ask for it at once")
}

/// It waits until then, and is seen to be late when its deadline comes first.
fn park(job: &Envelope, until: Timestamp, reason: String) -> Entry {
    let late = job.deadline.map(|deadline| deadline + Duration::from_millis(1));
    let until = late.map_or(until, |late| late.min(until));
    Entry::Park { until, rule: Rule::Limit, reason }
}

#[async_trait]
impl Gate for LimitGate {
    fn guards(&self, job: &Envelope) -> bool {
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
    ) -> Result<Entry, TransportError> {
        {
            // What another delivery left, whose lease was lost, say.
            let mut leaving = self.leaving();
            leaving.remove(&key_of(job));
            if leaving.len() >= LEAVING {
                leaving.clear();
            }
        }
        if waited(job) {
            let mut came = self.came();
            if came.len() >= LEAVING {
                came.clear();
            }
            came.insert(key_of(job));
        }
        // Somebody was impatient: its start stays what it is.
        if let Some(start) = reserved_ahead(job, now) {
            let reason = format!("its turn is at {start}");
            return Ok(Entry::Park { until: start, rule: Rule::Limit, reason });
        }
        let asked = match self.take_slots(job, stored, now).await {
            Ok(None) => self.reserve(job, now).await,
            Ok(Some(held)) => Ok(held),
            Err(err) => Err(err),
        };
        if !matches!(asked, Ok(Entry::Pass)) {
            self.let_go(job, stored).await;
        }
        asked
    }

    async fn leave(&self, job: &Envelope, stored: &Stored, _how: &Left, _now: Timestamp) {
        self.let_go(job, stored).await;
    }

    async fn parked(&self, job: &Envelope) {
        let full = self.leaving().remove(&key_of(job));
        let Some(full) = full else { return self.pass_on(job).await };
        self.came().remove(&key_of(job));
        if let Err(err) = self.stand_in_line(job, &full).await {
            tracing::debug!(job = %job.id, "not in line, looks later by itself: {err}");
        }
    }

    async fn ended(&self, job: &Envelope, _now: Timestamp) {
        self.pass_on(job).await;
    }

    async fn keep(&self) {
        self.slots.keep().await;
    }
}

fn reserved_ahead(job: &Envelope, now: Timestamp) -> Option<Timestamp> {
    job.limits.iter().filter_map(|limit| limit.reserved).max().filter(|start| *start > now)
}
