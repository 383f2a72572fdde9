//! [`Envelope`]: one job as data, as its message says it.

use std::time::Duration;

use super::blob_ref::BlobRef;
use super::codec::{Codec, EncodeError};
use super::fields::{Fields, Payload};
use super::history::{self, AttemptOutcome, AttemptRecord};
use super::signature::Signature;
use super::step::{Nonce, Step};
use crate::clock::Timestamp;
use crate::flow::{Dependencies, FollowUp, Limit, Unique};
use crate::names::{JobId, QueueName, TaskName};
use crate::retry::{RetryPolicy, Rule};
use crate::transport::MAX_BLOB_BYTES;

/// The wire version of a job that needs no newer one.
pub const WIRE_VERSION: u64 = 1;
/// The wire version of a job whose arguments are in a blob. A worker that knows only
/// [`WIRE_VERSION`] leaves such a job to a newer worker, and does not run it without its arguments.
pub(super) const BLOB_VERSION: u64 = 2;
/// The wire version of a job whose arguments are compressed. A worker that knows only earlier versions leaves
/// such a job to a newer worker, and does not pass the compressed text to a handler.
pub(super) const COMPRESSED_VERSION: u64 = 3;
/// The newest wire version that this crate reads.
pub const READ_VERSION: u64 = COMPRESSED_VERSION;
/// The largest body of a job, in bytes, without its history. It leaves room below the broker's default
/// `max_payload` (1 MiB) for what a retry adds: history and headers.
pub const MAX_ENVELOPE_BYTES: usize = 1024 * 1024 - 64 * 1024;
/// The most tags of one job.
pub const MAX_TAGS: usize = 32;
/// How long the broker keeps the record of a job that does not set a time.
pub const DEFAULT_RECORD_TTL: Duration = Duration::from_secs(60 * 60);
/// The longest tag, in bytes.
const MAX_TAG_BYTES: usize = 128;

/// One job: what to run, how to retry it, and what has happened so far.
///
/// In the body only `task` is required. All other fields have defaults, so that any NATS client can
/// write a job by hand: `{"task":"email.send","args":{"to":"a@example.com"}}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// The id of the job.
    pub id: JobId,
    /// The queue of the job.
    pub queue: QueueName,
    /// The task: the name of the handler to run.
    pub task: TaskName,
    /// The arguments of the handler; null by default.
    ///
    /// With [`args_blob`](Self::args_blob) they are not in the message. They are null here until the blob
    /// was read.
    pub args: Payload,
    /// The blob that holds the arguments, in the codec of the body. None if they are in the message.
    pub args_blob: Option<BlobRef>,
    /// True in a record that did not fit into a message with its arguments. They are null then. False by
    /// default.
    pub args_left_out: bool,
    /// The retry policy; [`RetryPolicy::default`] by default.
    pub policy: RetryPolicy,
    /// The longest time that one attempt may run; no limit by default.
    pub timeout: Option<Duration>,
    /// When the job was enqueued.
    pub enqueued_at: Timestamp,
    /// No attempt starts after this time; no limit by default.
    pub deadline: Option<Timestamp>,
    /// How long the broker keeps the final record; 1 hour by default. With zero there is no record, and
    /// a finished job may run again if the broker crashes just after the ack.
    pub record_ttl: Duration,
    /// Labels for finding the job; none by default.
    pub tags: Vec<String>,
    /// The jobs that this job waits for; none by default.
    pub depends_on: Option<Dependencies>,
    /// The workflow that this job is a node of; none by default.
    pub workflow: Option<JobId>,
    /// The unique key of the job; none by default.
    pub unique: Option<Unique>,
    /// The limits that the job shares with other jobs; none by default.
    pub limits: Vec<Limit>,
    /// The follow-up job, which NAQ enqueues when this job dies; none by default.
    pub on_exhausted: Option<FollowUp>,
    /// The W3C trace context of the program that enqueued the job.
    pub traceparent: Option<String>,
    /// The nonce of this life of the job.
    pub nonce: Nonce,
    /// The nonce of the first life of this job, if a requeue began this life. The saved data of the
    /// handler is stored under that nonce.
    pub origin: Option<Nonce>,
    /// The attempt that this message is for, from 1.
    pub attempt: u32,
    /// How many workers have crashed while they ran this life of the job.
    pub crashes: u32,
    /// How often this life of the job was snoozed or held back.
    pub snoozes: u32,
    /// When the first attempt of this life started. `retry_for` counts from this time.
    pub first_started_at: Option<Timestamp>,
    /// When this attempt is due. `None` if it was due at its enqueue.
    pub due_at: Option<Timestamp>,
    /// The records of the attempts so far, oldest first.
    pub history: Vec<AttemptRecord>,
    /// Who made the job. None on a job that is not signed. Reading a job does not check it: see
    /// [`verify`](crate::sign::verify).
    pub signature: Option<Signature>,
    /// The codec of the body, in which it is also written again.
    pub codec: Codec,
    /// The policy as it was written. A newer version of NAQ may have added settings to it.
    pub(super) written_policy: Option<Payload>,
    /// True if the arguments in the blob are compressed: its job says so before the blob is read.
    pub(super) is_blob_compressed: bool,
    /// Fields that this version does not know. They are written again unchanged.
    pub(super) unknown: Fields,
}

/// Whether the last record says that the job has only waited for its parents.
fn only_waited(last: &AttemptRecord) -> bool {
    match last.outcome {
        AttemptOutcome::Requeued => true,
        AttemptOutcome::HeldBack => last.rule == Some(Rule::Dependencies),
        _ => false,
    }
}

impl Envelope {
    /// A new job. All fields that are not parameters have their defaults.
    pub fn new(queue: QueueName, id: JobId, task: TaskName, args: Payload, now: Timestamp) -> Self {
        let codec = args.codec();
        Self {
            id,
            queue,
            task,
            args,
            args_blob: None,
            args_left_out: false,
            policy: RetryPolicy::default(),
            timeout: None,
            enqueued_at: now,
            deadline: None,
            record_ttl: DEFAULT_RECORD_TTL,
            tags: Vec::new(),
            depends_on: None,
            workflow: None,
            unique: None,
            limits: Vec::new(),
            on_exhausted: None,
            traceparent: None,
            nonce: Nonce::random(),
            origin: None,
            attempt: 1,
            crashes: 0,
            snoozes: 0,
            first_started_at: None,
            due_at: None,
            history: Vec::new(),
            signature: None,
            codec,
            written_policy: None,
            is_blob_compressed: false,
            unknown: Fields::new(codec),
        }
    }

    /// Leaves the arguments out, for a record that does not fit into a message with them.
    pub fn leave_out_args(&mut self) {
        let none = Payload::null(self.codec);
        self.args_left_out |= self.args != none;
        self.args = none;
    }

    /// Replaces the policy, with all settings of it that this version does not know.
    pub fn set_policy(&mut self, policy: RetryPolicy) {
        self.written_policy = None;
        self.policy = policy;
    }

    /// The policy as it is written in the body, byte for byte. None for the default policy of a new
    /// job, which is not written.
    pub(crate) fn policy_bytes(&self) -> Result<Option<Payload>, EncodeError> {
        match &self.written_policy {
            Some(written) => Ok(Some(written.clone())),
            None if self.policy == RetryPolicy::default() => Ok(None),
            None => Ok(Some(Payload::encode(self.codec, &self.policy)?)),
        }
    }

    /// The lowest wire version whose readers run this job right.
    pub(super) fn version(&self) -> u64 {
        let in_blob = self.args_blob.is_some();
        if self.args.is_compressed() || (in_blob && self.is_blob_compressed) {
            COMPRESSED_VERSION
        } else if in_blob {
            BLOB_VERSION
        } else {
            WIRE_VERSION
        }
    }

    /// The most bytes that the arguments may have once they are decompressed.
    pub fn max_plain_args(&self) -> usize {
        if self.args_blob.is_some() { MAX_BLOB_BYTES } else { MAX_ENVELOPE_BYTES }
    }

    /// The nonce of the first life of this job.
    pub fn origin(&self) -> &Nonce {
        self.origin.as_ref().unwrap_or(&self.nonce)
    }

    /// How far this life is: nonce, attempt and snoozes.
    pub fn step(&self) -> Step {
        Step { nonce: self.nonce.clone(), attempt: self.attempt, snoozes: self.snoozes }
    }

    /// Adds a record to the history, and removes old records beyond its limits: see [`MAX_HISTORY`](super::MAX_HISTORY).
    pub fn record(&mut self, record: AttemptRecord) {
        history::push(&mut self.history, record);
    }

    /// The most attempts: the retries and the first one.
    pub fn max_attempts(&self) -> u32 {
        self.policy.max_attempts()
    }

    /// Whether the job waits for its parents. Ask only about a job that waits. It is blocked if it has
    /// dependencies, and this life of it has done nothing else than wait for them.
    pub fn is_blocked(&self) -> bool {
        let waits = self.depends_on.as_ref().is_some_and(|depends| !depends.waived);
        waits && self.attempt == 1 && self.history.last().is_none_or(only_waited)
    }

    /// When a blocked job first checks its parents by itself. `None` if it has no dependencies.
    pub fn first_check(&self) -> Option<Timestamp> {
        let depends = self.depends_on.as_ref().filter(|depends| !depends.waived);
        depends.map(|_| Dependencies::next_check(0, self.enqueued_at, self.deadline))
    }

    /// The last record in the history that has an error.
    pub fn last_error(&self) -> Option<&AttemptRecord> {
        self.history.iter().rev().find(|r| r.error_kind.is_some())
    }

    /// Checks the tags: their number, their length, and that they have no control characters.
    ///
    /// # Errors
    /// A sentence that says what is invalid and what is allowed.
    pub fn check_tags(&self) -> Result<(), String> {
        if self.tags.len() > MAX_TAGS {
            return Err(format!("{} tags, at most {MAX_TAGS} are allowed", self.tags.len()));
        }
        match self
            .tags
            .iter()
            .find(|t| t.is_empty() || t.len() > MAX_TAG_BYTES || t.chars().any(char::is_control))
        {
            None => Ok(()),
            Some(bad) => Err(format!(
                "tag {:?}: use 1 to {MAX_TAG_BYTES} bytes without control characters",
                bad.chars().take(40).collect::<String>()
            )),
        }
    }
}
