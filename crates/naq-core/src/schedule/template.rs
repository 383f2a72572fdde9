//! [`JobTemplate`]: the job that every run of a schedule is a copy of.

use bytes::Bytes;

use super::ScheduleFault;
use crate::clock::Timestamp;
use crate::names::{JobId, QueueName};
use crate::wire::{
    Codec, Envelope, Fields, MAX_TAGS, MessageMeta, Nonce, Payload, Signature, WireMessage, Writer,
};

/// The fields that each run has of its own.
const OWN: [&str; 6] = ["attempt", "enqueued_at", "id", "nonce", "snoozes", "v"];

/// A job without id and times: task, arguments, queue, policy, timeout, tags and all other fields. It is
/// stored as JSON.
#[derive(Debug, Clone)]
pub struct JobTemplate {
    envelope: Envelope,
    written: Payload,
}

impl JobTemplate {
    /// The template of this job.
    ///
    /// # Errors
    /// [`ScheduleFault`] if the job has a due time or a deadline of its own, has dependencies, has too
    /// many tags, or has arguments that cannot be written as JSON.
    pub fn new(job: Envelope) -> Result<Self, ScheduleFault> {
        let refused = |what: &str| Err(ScheduleFault::Option(what.to_owned()));
        if job.due_at.is_some() {
            return refused(
                "the job has a time of its own: leave `at` and `delay` to the schedule",
            );
        }
        if job.deadline.is_some() {
            return refused("the job has a deadline: give the schedule `start_within` instead");
        }
        if job.depends_on.is_some() {
            return refused(
                "the job waits for other jobs, which it could do once: enqueue it by itself",
            );
        }
        if job.tags.len() >= MAX_TAGS {
            return refused("the job has too many tags: each run has one more, for its schedule");
        }
        Self::normalized(job)
    }

    fn normalized(mut job: Envelope) -> Result<Self, ScheduleFault> {
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

    /// Reads a template that [`written`](Self::written) has given.
    pub(super) fn read(written: &Payload) -> Result<Self, ScheduleFault> {
        let mut fields = Fields::split(written.codec(), written.bytes())?;
        let queue = fields.take::<QueueName>("queue")?.unwrap_or_default();
        let meta =
            MessageMeta { queue, id: placeholder(), seq: 0, stored_at: Timestamp::default() };
        let message = WireMessage::new(Bytes::new());
        let envelope = Envelope::from_fields(fields, &message, &meta)?;
        Self::normalized(envelope)
    }

    /// The same template with these arguments, such as the encrypted ones.
    ///
    /// # Errors
    /// [`ScheduleFault`] if they cannot be written as JSON.
    pub fn with_args(&self, args: Payload) -> Result<Self, ScheduleFault> {
        let mut job = self.envelope.clone();
        job.args = args;
        Self::normalized(job)
    }

    /// The same template with this signature, in place of any other.
    ///
    /// # Errors
    /// [`ScheduleFault`] if a value cannot be written.
    pub fn signed(&self, signature: Option<Signature>) -> Result<Self, ScheduleFault> {
        let mut job = self.envelope.clone();
        job.signature = signature;
        Self::normalized(job)
    }

    /// The job as JSON, without the fields that each run has of its own.
    pub fn written(&self) -> &Payload {
        &self.written
    }

    /// The job. Its id and times have no meaning.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The queue of the runs.
    pub fn queue(&self) -> &QueueName {
        &self.envelope.queue
    }
}

/// Templates are equal if their JSON is.
impl PartialEq for JobTemplate {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

fn placeholder() -> JobId {
    JobId::new("run").unwrap_or_else(|_| JobId::random())
}
