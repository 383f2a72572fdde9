//! What a producer knows of the room in its queues: pure data, without requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq_core::QueueName;
use naq_core::sync::lock;
use naq_core::transport::{QueueBound, QueueSize, TransportError};
use tokio::time::Instant;

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
    /// The broker has described the queue's stream before.
    existed: bool,
    asked_at: Option<Instant>,
    ask_every: Duration,
}

#[derive(Debug, Clone)]
pub(crate) enum Refusal {
    Evicts { stream: String, evicts: Vec<String>, mend: String },
    Drift { found: String, needs: String },
    NewerSchema { stream: String, found: u32, known: u32 },
}

/// What the description of a queue's stream says about new jobs.
#[derive(Debug)]
pub(crate) struct RoomAnswer {
    pub(crate) bound: QueueBound,
    pub(crate) size: QueueSize,
    pub(crate) refusal: Option<Refusal>,
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
            Some(Refusal::NewerSchema { stream, found, known }) => {
                return Err(TransportError::NewerSchema { stream, found, known });
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

/// What this process knows of the queues to which it enqueues. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rooms(Arc<Mutex<HashMap<QueueName, KnownQueue>>>);

/// The place of one job in a queue with a bound, until the broker has answered.
#[derive(Debug)]
pub(crate) struct Admitted {
    rooms: Rooms,
    queue: QueueName,
    size: QueueSize,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(known) = lock(&self.rooms.0).get_mut(&self.queue) {
            known.under_way.jobs -= self.size.jobs.min(known.under_way.jobs);
            known.under_way.bytes -= self.size.bytes.min(known.under_way.bytes);
            known.sent = known.sent.plus(self.size);
        }
    }
}

impl Rooms {
    /// Whether the stream must be read before the next job, or in its course. Claims the turn, so that
    /// one job of many asks.
    pub(crate) fn turn(&self, queue: &QueueName, now: Instant) -> Turn {
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
    pub(crate) fn take(
        &self,
        queue: &QueueName,
        size: QueueSize,
    ) -> Result<Option<Admitted>, TransportError> {
        let mut known = lock(&self.0);
        let Some(known) = known.get_mut(queue) else { return Ok(None) };
        known.check(queue)?;
        if !known.bound.is_set() {
            return Ok(None);
        }
        known.under_way = known.under_way.plus(size);
        Ok(Some(Admitted { rooms: self.clone(), queue: queue.clone(), size }))
    }

    /// Whether a refused job may ask again, because the numbers are old.
    pub(crate) fn may_ask_again(&self, queue: &QueueName, now: Instant) -> bool {
        let mut known = lock(&self.0);
        let Some(known) = known.get_mut(queue).filter(|known| known.is_due(now, FULL_EVERY)) else {
            return false;
        };
        known.asked_at = Some(now);
        true
    }

    pub(crate) fn sent(&self, queue: &QueueName) -> QueueSize {
        lock(&self.0).get(queue).map_or_else(QueueSize::default, |known| known.sent)
    }

    /// The broker has described the queue's stream. `sent` is the answer of [`sent`](Self::sent) before
    /// the question.
    pub(crate) fn answered(
        &self,
        queue: &QueueName,
        now: Instant,
        sent: QueueSize,
        answer: RoomAnswer,
    ) {
        self.update(queue, now, |known| {
            if answer.bound.is_set() {
                known.ask_every = BOUNDED_EVERY;
            }
            known.existed = true;
            known.bound = answer.bound;
            known.refusal = answer.refusal;
            known.set_answer(answer.size, sent);
        });
    }

    /// Whether this process has seen the queue's stream.
    pub(crate) fn existed(&self, queue: &QueueName) -> bool {
        lock(&self.0).get(queue).is_some_and(|known| known.existed)
    }

    /// There is no such queue. The next job creates it.
    pub(crate) fn is_missing(&self, queue: &QueueName, now: Instant) {
        self.update(queue, now, |known| {
            known.ask_every = BOUNDED_EVERY;
            known.bound = QueueBound::default();
            known.refusal = None;
        });
    }

    /// The stream could not be read. The last answer stays in force.
    pub(crate) fn not_answered(&self, queue: &QueueName, now: Instant, is_denied: bool) {
        self.update(queue, now, |known| {
            if is_denied {
                known.ask_every = DENIED_EVERY;
            }
        });
    }

    fn update(&self, queue: &QueueName, now: Instant, change: impl FnOnce(&mut KnownQueue)) {
        let mut known = lock(&self.0);
        let known = known.entry(queue.clone()).or_default();
        known.asked_at = Some(now);
        known.ask_every = UNBOUNDED_EVERY;
        change(known);
    }
}

/// Whether the stream of a queue must be read.
pub(crate) enum Turn {
    First,
    InBackground,
    None,
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
