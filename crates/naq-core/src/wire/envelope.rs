//! [`Envelope`]: one job, as it travels.

use std::time::Duration;

use super::codec::Codec;
use super::fields::{Fields, Payload};
use super::history::{self, AttemptOutcome, AttemptRecord};
use super::step::{Nonce, Step};
use crate::clock::Timestamp;
use crate::flow::{Dependencies, FollowUp, Limit, Unique};
use crate::names::{JobId, QueueName, TaskName};
use crate::retry::{RetryPolicy, Rule};

/// The wire version that this crate writes, and the newest that it reads.
pub const WIRE_VERSION: u64 = 1;
/// The largest body of a job. Below the broker's default `max_payload` (1 MiB) by what a retry adds:
/// the history, and headers.
pub const MAX_ENVELOPE_BYTES: usize = 1024 * 1024 - 64 * 1024;
/// Tags that a job may carry.
pub const MAX_TAGS: usize = 32;
/// How long the record of a finished job is kept when the job does not say.
pub const DEFAULT_RECORD_TTL: Duration = Duration::from_secs(60 * 60);
/// The longest tag, in bytes.
const MAX_TAG_BYTES: usize = 128;

/// One job: what to run, how to retry it, and what has happened so far.
///
/// In the body only `task` is required; the rest has defaults, so that any NATS client can write a
/// job by hand: `{"task":"email.send","args":{"to":"a@example.com"}}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// The job's id.
    pub id: JobId,
    /// The queue it is in.
    pub queue: QueueName,
    /// The task, that is, the handler to run.
    pub task: TaskName,
    /// The handler's arguments; null when none are given.
    pub args: Payload,
    /// When and how often to retry.
    pub policy: RetryPolicy,
    /// The longest that one attempt may run; no limit by default.
    pub timeout: Option<Duration>,
    /// When it was enqueued.
    pub enqueued_at: Timestamp,
    /// After this moment no attempt begins; none by default.
    pub deadline: Option<Timestamp>,
    /// How long the final record is kept: 1 hour by default, zero for none at all (and then a
    /// finished job may run again if the broker crashes within a moment of its ack).
    pub record_ttl: Duration,
    /// Labels to find it by.
    pub tags: Vec<String>,
    /// The jobs that it waits for; none by default.
    pub depends_on: Option<Dependencies>,
    /// The workflow that it is part of; none by default.
    pub workflow: Option<JobId>,
    /// The key that it holds; none by default.
    pub unique: Option<Unique>,
    /// The limits that it shares with others; none by default.
    pub limits: Vec<Limit>,
    /// The job that is enqueued when this one dies; none by default.
    pub on_exhausted: Option<FollowUp>,
    /// W3C trace context of the producer.
    pub traceparent: Option<String>,
    /// Which life of this id it is.
    pub nonce: Nonce,
    /// The first life of this job, when an operator's requeue began this one: what a handler has
    /// kept is found under that name.
    pub origin: Option<Nonce>,
    /// The attempt that this message is for, 1-based.
    pub attempt: u32,
    /// Worker deaths so far, in this life.
    pub crashes: u32,
    /// Snoozes so far, in this life.
    pub snoozes: u32,
    /// When the first attempt began; `retry_for` counts from here.
    pub first_started_at: Option<Timestamp>,
    /// When this attempt was due, if it had to wait.
    pub due_at: Option<Timestamp>,
    /// What happened so far, oldest first.
    pub history: Vec<AttemptRecord>,
    /// The codec it came in, and goes out in.
    pub codec: Codec,
    /// The policy as it was written: a newer NAQ may have put more into it.
    pub(super) written_policy: Option<Payload>,
    /// Fields that this version does not know.
    pub(super) kept: Fields,
}

fn only_waited(last: &AttemptRecord) -> bool {
    match last.outcome {
        AttemptOutcome::Requeued => true,
        AttemptOutcome::HeldBack => last.rule == Some(Rule::Dependencies),
        _ => false,
    }
}

impl Envelope {
    /// A fresh job with defaults for all that is not given here.
    pub fn new(queue: QueueName, id: JobId, task: TaskName, args: Payload, now: Timestamp) -> Self {
        let codec = args.codec();
        Self {
            id,
            queue,
            task,
            args,
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
            codec,
            written_policy: None,
            kept: Fields::new(codec),
        }
    }

    /// Replaces the policy, also the one that was kept as written.
    pub fn set_policy(&mut self, policy: RetryPolicy) {
        self.written_policy = None;
        self.policy = policy;
    }

    /// The first life of this job: this one, or the one whose dead letter was requeued.
    pub fn origin(&self) -> &Nonce {
        self.origin.as_ref().unwrap_or(&self.nonce)
    }

    /// Where this life stands.
    pub fn step(&self) -> Step {
        Step { nonce: self.nonce.clone(), attempt: self.attempt, snoozes: self.snoozes }
    }

    /// Adds to the history, within its limits.
    pub fn record(&mut self, record: AttemptRecord) {
        history::push(&mut self.history, record);
    }

    /// Attempts in all: retries and the first.
    pub fn max_attempts(&self) -> u32 {
        self.policy.max_attempts()
    }

    /// Whether it still waits for other jobs, given that it waits for something: it depends on
    /// some, and nothing but waiting for them has happened to it in this life.
    pub fn is_blocked(&self) -> bool {
        let waits = self.depends_on.as_ref().is_some_and(|depends| !depends.waived);
        waits && self.attempt == 1 && self.history.last().is_none_or(only_waited)
    }

    /// When a job that waits for others first looks after them by itself.
    pub fn first_check(&self) -> Option<Timestamp> {
        let depends = self.depends_on.as_ref().filter(|depends| !depends.waived);
        depends.map(|_| Dependencies::next_check(0, self.enqueued_at, self.deadline))
    }

    /// The last error in the history, if there is one.
    pub fn last_error(&self) -> Option<&AttemptRecord> {
        self.history.iter().rev().find(|r| r.error_kind.is_some())
    }

    /// Checks the tags: their number, their length, and that they hold no control characters.
    ///
    /// # Errors
    /// A sentence that says which rule is broken.
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
