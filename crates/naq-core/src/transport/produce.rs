//! [`Producer`]: the port that enqueues jobs.

use async_trait::async_trait;
use bytes::Bytes;

use super::{Place, Stored, TransportError};
use crate::clock::Timestamp;
use crate::names::{CHORES, JobKey, QueueName};
use crate::wire::{BlobRef, WireMessage, headers};

/// A job to be stored in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The job.
    pub key: JobKey,
    /// When it is due, by the broker's clock. `None` for at once.
    pub due_at: Option<Timestamp>,
    /// The deduplication key. The broker stores submissions with the same key once within its window.
    pub dedup: String,
    /// Whether it is refused while the broker knows a job with this id, however old: see
    /// [`is_refused_by`](Self::is_refused_by). The check costs look-ups, so it is used only if the user chose
    /// the id, or if it is derived.
    pub unique: bool,
    /// Headers and body.
    pub message: WireMessage,
}

impl Submission {
    /// Whether `stored`, a message of another life of this id, refuses the job. None refuses an id that
    /// is random. A chosen id is one job for as long as its record or its dead letter is kept.
    pub fn is_refused_by(&self, stored: &Stored) -> bool {
        let refuses = match stored.place {
            Place::Queue | Place::Schedule => true,
            // A chore of NAQ is started again after its end.
            Place::Dead | Place::Record if self.key.queue.as_str() == CHORES => false,
            Place::Dead => true,
            // For a dead job its letter counts. So the id is free once the letter is purged.
            Place::Record => stored.message.header(headers::DIED_AT).is_none(),
        };
        self.unique && refuses
    }
}

/// The answer of the broker to a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// The job is stored, with this sequence.
    Stored(u64),
    /// A job with this id is stored already, or has ended and its record or dead letter is kept.
    /// Nothing was added.
    Duplicate,
}

/// Stores jobs in queues.
#[async_trait]
pub trait Producer: Send + Sync + 'static {
    /// Stores one job and returns when the broker has stored it. Creates the queue if there is none.
    ///
    /// If an answer is lost, the transport sends the job again, and the message then says so
    /// ([`headers::SUSPECT`](crate::wire::headers::SUSPECT)): a worker looks for the end of this life
    /// before it runs the job.
    ///
    /// # Errors
    /// [`TransportError`]. After a transient one the same submission can be sent again.
    async fn publish(&self, job: Submission) -> Result<Receipt, TransportError>;

    /// Stores many jobs, with many requests at once. The answers are in the order of the jobs.
    async fn publish_many(&self, jobs: Vec<Submission>) -> Vec<Result<Receipt, TransportError>>;

    /// Replaces the waiting message of a job by `job`, which is the same job with another body and another
    /// due time, in one atomic step. Returns false if the job does not wait with the message `waiting` any
    /// more, or is about to come by itself.
    ///
    /// # Errors
    /// [`TransportError`]; `Rejected` if the transport cannot do this. After a transient one the message may
    /// have been replaced.
    async fn replace(&self, waiting: &Stored, job: Submission) -> Result<bool, TransportError> {
        let _ = job;
        Err(TransportError::Rejected {
            what: format!("replace the waiting job {}", waiting.key),
            reason: "this transport cannot replace a waiting job".into(),
        })
    }

    /// Stores `args` in `blob`, without a TTL, and then the job that names this blob. The queue's bound counts
    /// both: if the queue has no room, neither is stored. After any other error, and for a duplicate, the
    /// blob may be stored without its job.
    ///
    /// # Errors
    /// As for [`publish`](Self::publish) and [`Blobs::blob_put`](super::Blobs::blob_put).
    async fn publish_with_args(
        &self,
        job: Submission,
        blob: &BlobRef,
        args: Bytes,
    ) -> Result<Receipt, TransportError>;

    /// Compares the broker's clock with the clock of this process, unless that was done lately.
    /// [`broker_now`](super::Lookup::broker_now) then answers with the broker's time. A producer calls it
    /// before it turns a span, such as a delay, into a time. Like [`publish`](Self::publish) it may
    /// create the queue. If the broker does not answer, the last known difference stays.
    async fn compare_clocks(&self, _queue: &QueueName) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::JobId;

    fn job(queue: &str, unique: bool) -> Submission {
        let id = JobId::new("a").expect("an id");
        Submission {
            key: JobKey::new(QueueName::new(queue).expect("a name"), id),
            due_at: None,
            dedup: "a".into(),
            unique,
            message: WireMessage::new(Bytes::new()),
        }
    }

    #[test]
    fn a_chosen_id_is_refused_by_what_is_kept_of_it_and_a_chore_only_while_it_lives() {
        let stored = |place, message: WireMessage| Stored {
            key: job("mail", true).key,
            place,
            seq: 1,
            stored_at: Timestamp::default(),
            due_at: None,
            delivered: false,
            message,
        };
        let plain = || WireMessage::new(Bytes::new());
        let died = plain().with(headers::DIED_AT, "2026-01-01T00:00:00Z");
        for (found, chosen, chore) in [
            (stored(Place::Queue, plain()), true, true),
            (stored(Place::Schedule, plain()), true, true),
            (stored(Place::Dead, died.clone()), true, false),
            (stored(Place::Record, plain()), true, false),
            (stored(Place::Record, died), false, false),
        ] {
            assert_eq!(job("mail", true).is_refused_by(&found), chosen, "{found:?}");
            assert_eq!(job(CHORES, true).is_refused_by(&found), chore, "{found:?}");
            assert!(!job("mail", false).is_refused_by(&found), "{found:?}");
        }
    }
}
