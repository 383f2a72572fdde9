//! [`JobTemplate`]: the job that every run of a schedule is a copy of.

use bytes::Bytes;

use super::ScheduleFault;
use crate::clock::Timestamp;
use crate::names::{JobId, QueueName};
use crate::wire::{
    Codec, Envelope, Fields, MAX_TAGS, MessageMeta, Nonce, Payload, WireMessage, Writer,
};

/// What a run does not take from its template.
const OWN: [&str; 6] = ["attempt", "enqueued_at", "id", "nonce", "snoozes", "v"];

/// A job with everything but an id and a time: task, arguments, queue, policy, timeout, tags and
/// whatever else travels in a job. Kept as JSON.
#[derive(Debug, Clone)]
pub struct JobTemplate {
    envelope: Envelope,
    written: Payload,
}

impl JobTemplate {
    /// The template of this job.
    ///
    /// # Errors
    /// [`ScheduleFault`] when the job says when it runs, which the schedule does; when it waits for
    /// other jobs, which it can do once; when it has no room for one more tag; or when its arguments
    /// have no form in JSON.
    pub fn new(job: Envelope) -> Result<Self, ScheduleFault> {
        let says = |what: &str| Err(ScheduleFault::Option(what.to_owned()));
        if job.due_at.is_some() {
            return says("the job has a time of its own: leave `at` and `delay` to the schedule");
        }
        if job.deadline.is_some() {
            return says("the job has a deadline: give the schedule `start_within` instead");
        }
        if job.depends_on.is_some() {
            return says(
                "the job waits for other jobs, which it could do once: enqueue it by itself",
            );
        }
        if job.tags.len() >= MAX_TAGS {
            return says("the job has too many tags: one more tells of its schedule");
        }
        Self::normal(job)
    }

    fn normal(mut job: Envelope) -> Result<Self, ScheduleFault> {
        job.id = placeholder();
        job.nonce = Nonce::from_sequence(0);
        job.enqueued_at = Timestamp::default();
        job.traceparent = None;
        if job.codec != Codec::Json {
            job.args = job.args.transcode(Codec::Json)?;
            job.codec = Codec::Json;
        }
        let body = job.encode()?;
        let mut fields = Fields::split(Codec::Json, &body)?;
        for own in OWN {
            fields.take_raw(own);
        }
        let mut writer = Writer::new(Codec::Json, body.len());
        for (name, value) in fields.iter() {
            writer.put_raw(name, &value)?;
        }
        let written = Payload::from_raw(Codec::Json, writer.finish());
        Ok(Self { envelope: job, written })
    }

    /// Reads what [`written`](Self::written) gives.
    pub(super) fn read(written: &Payload) -> Result<Self, ScheduleFault> {
        let mut fields = Fields::split(written.codec(), written.bytes())?;
        let queue = fields.take::<QueueName>("queue")?.unwrap_or_default();
        let (id, stored_at) = (placeholder(), Timestamp::default());
        let arrival = MessageMeta { queue, id, seq: 0, stored_at };
        let message = WireMessage::new(Bytes::new());
        let envelope = Envelope::from_fields(fields, &message, &arrival)?;
        Self::normal(envelope)
    }

    /// The job as JSON, without what each run has of its own.
    pub fn written(&self) -> &Payload {
        &self.written
    }

    /// The job, with an id and times that mean nothing.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The queue that runs go to.
    pub fn queue(&self) -> &QueueName {
        &self.envelope.queue
    }
}

/// As they are written, which is what counts for a job that is sent again and again.
impl PartialEq for JobTemplate {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

fn placeholder() -> JobId {
    JobId::new("run").unwrap_or_else(|_| JobId::random())
}
