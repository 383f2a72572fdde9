//! [`DebouncedJob`]: a debounced job that is not sent yet.

use naq_core::clock::Timestamp;
use naq_core::flow::Debounce;
use naq_core::wire::Envelope;

use crate::enqueue::job_times::{Due, JobTimes};

/// A debounced job that is not sent yet. When it is due depends on the enqueues before it.
#[derive(Debug)]
pub(super) struct DebouncedJob {
    pub(super) job: Envelope,
    pub(super) times: JobTimes,
    pub(super) debounce: Debounce,
}

impl DebouncedJob {
    /// The job as it is stored if its first enqueue was at `first`.
    pub(super) fn write(&self, mut job: Envelope, first: Timestamp, now: Timestamp) -> Envelope {
        let due = Some(Due::At(self.debounce.due_at(first, now)));
        JobTimes { due, ..self.times }.write_to(&mut job, now);
        job
    }

    /// The job with new arguments and options in the place of `waiting`. It is the same life of the
    /// same job, with the same counts: what is stored of it stays true.
    pub(super) fn in_place_of(&self, waiting: Envelope) -> Envelope {
        let mut job = self.job.clone();
        job.id = waiting.id;
        job.nonce = waiting.nonce;
        job.origin = waiting.origin;
        job.attempt = waiting.attempt;
        job.crashes = waiting.crashes;
        job.snoozes = waiting.snoozes;
        job.history = waiting.history;
        job
    }
}
