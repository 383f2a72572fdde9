//! Whether a queue takes new jobs: its stream must not remove jobs by itself, and the queue must have
//! room within its bound. A producer reads the stream once before its first job, and after that at most
//! once a second. So a job costs no request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::jetstream::stream::Config;
use naq_core::QueueName;
use naq_core::sync::lock;
use naq_core::transport::{Place, QueueBound, QueueSize, Submission, TransportError};
use tokio::time::Instant;

use crate::api::Api;
use crate::error::ApiError;
use crate::error_codes::STREAM_NOT_FOUND;
use crate::evictions::{evictions, mend_command};
use crate::queue_bound::bound_of;
use crate::subjects::api;
use crate::topology::{StreamInfo, check_echo};

/// How often the stream of a queue with a bound is read.
const BOUNDED_EVERY: Duration = Duration::from_secs(1);
/// How often the stream of another queue is read.
const UNBOUNDED_EVERY: Duration = Duration::from_secs(5);
/// How often the stream of a full queue is read.
const FULL_EVERY: Duration = Duration::from_millis(100);
/// How often the stream is read if this user may not read it. The right may be granted later.
const DENIED_EVERY: Duration = Duration::from_secs(300);

/// What this process knows of one queue.
#[derive(Debug, Default)]
struct KnownQueue {
    bound: QueueBound,
    /// The size as the broker last answered.
    answered: QueueSize,
    /// The jobs of this process that were sent since that question.
    sent: QueueSize,
    /// The jobs of this process that may be on their way.
    under_way: QueueSize,
    /// Why no job is taken, apart from the bound.
    refusal: Option<Refusal>,
    asked_at: Option<Instant>,
    ask_every: Duration,
}

#[derive(Debug, Clone)]
enum Refusal {
    Evicts { stream: String, evicts: Vec<String>, mend: String },
    Drift { found: String, needs: String },
}

impl KnownQueue {
    /// The size, with all jobs of this process that the answer may not contain.
    fn size(&self) -> QueueSize {
        self.answered.plus(self.sent).plus(self.under_way)
    }

    fn set_answer(&mut self, answered: QueueSize, sent_at_question: QueueSize) {
        self.answered = answered;
        self.sent.jobs -= sent_at_question.jobs.min(self.sent.jobs);
        self.sent.bytes -= sent_at_question.bytes.min(self.sent.bytes);
    }

    fn is_due(&self, now: Instant, every: Duration) -> bool {
        self.asked_at.is_none_or(|at| at + every <= now)
    }

    fn check(&self, queue: &QueueName) -> Result<(), TransportError> {
        match self.refusal.clone() {
            Some(Refusal::Evicts { stream, evicts, mend }) => {
                let queue = queue.clone();
                return Err(TransportError::QueueEvicts { queue, stream, evicts, mend });
            }
            Some(Refusal::Drift { found, needs }) => {
                return Err(TransportError::Unsupported { found, needs });
            }
            None => {}
        }
        let (bound, size) = (self.bound, self.size());
        if bound.has_room(size) {
            return Ok(());
        }
        let QueueSize { jobs, bytes } = size;
        Err(TransportError::QueueFull { queue: queue.clone(), bound, jobs, bytes })
    }
}

/// What this process knows of the queues to which it enqueues.
#[derive(Debug, Default)]
pub(crate) struct Admissions(Mutex<HashMap<QueueName, KnownQueue>>);

/// The place of one job in a queue with a bound, until the broker has answered.
#[derive(Debug)]
pub(crate) struct Admitted {
    api: Arc<Api>,
    queue: QueueName,
    size: QueueSize,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(known) = lock(&self.api.admissions.0).get_mut(&self.queue) {
            known.under_way.jobs -= self.size.jobs.min(known.under_way.jobs);
            known.under_way.bytes -= self.size.bytes.min(known.under_way.bytes);
            known.sent = known.sent.plus(self.size);
        }
    }
}

impl Admissions {
    /// Whether the stream must be read before the next job, or in its course. Claims the turn, so that
    /// one job of many asks.
    fn turn(&self, queue: &QueueName, now: Instant) -> Turn {
        let mut known = lock(&self.0);
        match known.get_mut(queue) {
            None => Turn::First,
            Some(known) if known.is_due(now, known.ask_every) => {
                known.asked_at = Some(now);
                Turn::InBackground
            }
            Some(_) => Turn::None,
        }
    }

    /// Takes a place in the queue, or says why there is none. `None` if the queue has no bound.
    fn take(
        &self,
        queue: &QueueName,
        size: QueueSize,
    ) -> Result<Option<QueueSize>, TransportError> {
        let mut known = lock(&self.0);
        let Some(known) = known.get_mut(queue) else { return Ok(None) };
        known.check(queue)?;
        if !known.bound.is_set() {
            return Ok(None);
        }
        known.under_way = known.under_way.plus(size);
        Ok(Some(size))
    }

    /// Whether a refused job may ask again, because the numbers are old.
    fn may_ask_again(&self, queue: &QueueName, now: Instant) -> bool {
        let mut known = lock(&self.0);
        let Some(known) = known.get_mut(queue).filter(|known| known.is_due(now, FULL_EVERY)) else {
            return false;
        };
        known.asked_at = Some(now);
        true
    }

    fn sent(&self, queue: &QueueName) -> QueueSize {
        lock(&self.0).get(queue).map_or_else(QueueSize::default, |known| known.sent)
    }

    fn update(&self, queue: &QueueName, now: Instant, change: impl FnOnce(&mut KnownQueue)) {
        let mut known = lock(&self.0);
        let known = known.entry(queue.clone()).or_default();
        known.asked_at = Some(now);
        known.ask_every = UNBOUNDED_EVERY;
        change(known);
    }
}

enum Turn {
    First,
    InBackground,
    None,
}

impl Api {
    /// Refuses a job for which its queue has no room, or whose stream would not keep it. The answer, if
    /// there is one, must live until the job is stored.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        job: &Submission,
    ) -> Result<Option<Admitted>, TransportError> {
        let queue = &job.key.queue;
        match self.admissions.turn(queue, Instant::now()) {
            Turn::First => self.ask_for_room(queue).await,
            Turn::InBackground => {
                let (api, queue) = (Arc::clone(self), queue.clone());
                tokio::spawn(async move { api.ask_for_room(&queue).await });
            }
            Turn::None => {}
        }
        let size = QueueSize { jobs: 1, bytes: job.message.size() as u64 };
        let mut taken = self.admissions.take(queue, size);
        if taken.is_err() && self.admissions.may_ask_again(queue, Instant::now()) {
            self.ask_for_room(queue).await;
            taken = self.admissions.take(queue, size);
        }
        match taken {
            Ok(size) => Ok(size.map(|size| {
                let (api, queue) = (Arc::clone(self), queue.clone());
                Admitted { api, queue, size }
            })),
            // The job may be stored already, by an enqueue whose answer was lost. Then the answer is
            // that it is a duplicate.
            Err(_) if job.unique && self.is_stored(job).await => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    async fn is_stored(&self, job: &Submission) -> bool {
        let found = self.last_at(&job.key, &[Place::Queue, Place::Schedule]).await;
        found.is_ok_and(|found| !found.is_empty())
    }

    /// Reads the queue's stream. After an error the last answer stays in force: a broker that does not
    /// answer will not store the job either.
    pub(crate) async fn ask_for_room(&self, queue: &QueueName) {
        let wanted = self.queue_config(queue);
        let sent = self.admissions.sent(queue);
        let answer = self.call::<_, StreamInfo>(&api::stream_info(&wanted.name), &()).await;
        let now = Instant::now();
        match answer {
            Ok(info) => {
                let found = &info.config;
                self.evictions.note(&wanted, found);
                let size = QueueSize { jobs: info.state.messages, bytes: info.state.bytes };
                let refusal = refusal_of(&wanted, found);
                let bound = bound_of(&found.metadata);
                self.admissions.update(queue, now, |known| {
                    if bound.is_set() {
                        known.ask_every = BOUNDED_EVERY;
                    }
                    known.bound = bound;
                    known.refusal = refusal;
                    known.set_answer(size, sent);
                });
            }
            Err(ApiError::Refused(refusal)) if refusal.err_code == STREAM_NOT_FOUND => {
                self.admissions.update(queue, now, |known| {
                    *known = KnownQueue {
                        under_way: known.under_way,
                        asked_at: Some(now),
                        ask_every: BOUNDED_EVERY,
                        ..KnownQueue::default()
                    }
                });
            }
            Err(error) => {
                let is_denied = error.is_permission();
                self.admissions.update(queue, now, |known| {
                    if is_denied {
                        known.ask_every = DENIED_EVERY;
                    }
                });
            }
        }
    }
}

fn refusal_of(wanted: &Config, found: &Config) -> Option<Refusal> {
    let evicts = evictions(wanted, found);
    if !evicts.is_empty() {
        let mend = mend_command(wanted, found);
        return Some(Refusal::Evicts { stream: found.name.clone(), evicts, mend });
    }
    match check_echo(wanted, found) {
        Err(TransportError::Unsupported { found, needs }) => Some(Refusal::Drift { found, needs }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    fn jobs(jobs: u64) -> QueueSize {
        QueueSize { jobs, bytes: 10 * jobs }
    }

    #[test]
    fn a_queue_counts_what_the_answer_may_not_contain() {
        let queue = QueueName::default();
        let bound = QueueBound { max_jobs: NonZeroU64::new(10), max_bytes: None };
        let mut known = KnownQueue { bound, sent: jobs(3), ..KnownQueue::default() };
        let asked = known.sent;
        // Two more are stored while the question is under way, and one is on its way.
        known.sent = known.sent.plus(jobs(2));
        known.under_way = jobs(1);
        known.set_answer(jobs(6), asked);
        assert_eq!(known.size(), jobs(9));
        known.check(&queue).expect("room for one");
        known.under_way = jobs(2);
        let refused = known.check(&queue).expect_err("full");
        assert!(matches!(refused, TransportError::QueueFull { jobs: 10, bytes: 100, .. }));
    }
}
