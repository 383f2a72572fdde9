//! [`Enqueued`]: a job as it was enqueued.

use std::time::Duration;

use naq_core::transport::Stored;
use naq_core::{Envelope, Job, Timestamp};
use serde_json::Value;

/// A job as it was enqueued.
#[derive(Debug, Clone, PartialEq)]
pub struct Enqueued<J> {
    /// The job's arguments.
    pub args: J,
    /// The whole job: queue, id, policy, tags, deadline, unique key.
    pub envelope: Envelope,
    /// When it was enqueued.
    pub at: Timestamp,
}

impl<J> Enqueued<J> {
    /// The time from its enqueue until it was due. Zero for a job that was due at once.
    pub fn due_in(&self) -> Duration {
        self.envelope.due_at.map_or(Duration::ZERO, |due_at| due_at.since(self.at))
    }
}

impl Enqueued<Value> {
    #[track_caller]
    pub(super) fn typed<J: Job>(self) -> Enqueued<J> {
        let Self { envelope, at, .. } = self;
        match envelope.args.decode() {
            Ok(args) => Enqueued { args, envelope, at },
            Err(err) => {
                panic!("the arguments of job {} are not a {:?}: {err}", envelope.id, J::NAME)
            }
        }
    }
}

/// None for a requeue, and for a message that is no job.
pub(super) fn of_message(stored: &Stored) -> Option<Enqueued<Value>> {
    let envelope = stored.envelope().ok().filter(|job| job.history.is_empty())?;
    let args = envelope.args.decode().unwrap_or(Value::Null);
    Some(Enqueued { args, at: stored.stored_at, envelope })
}

/// One line for each job, for error messages.
pub(super) fn listing(jobs: &[Enqueued<Value>]) -> String {
    let lines: Vec<_> = jobs.iter().map(line).collect();
    if lines.is_empty() { "  no jobs".to_owned() } else { lines.join("\n") }
}

fn line(job: &Enqueued<Value>) -> String {
    let Envelope { task, queue, id, policy, tags, unique, .. } = &job.envelope;
    let due = match job.due_in() {
        Duration::ZERO => "due at once".to_owned(),
        wait => format!("due in {}", naq_core::retry::BriefDuration(wait)),
    };
    let mut line = format!("  {task} {} on {queue:?}, {due}, {policy}", job.args);
    if !tags.is_empty() {
        line += &format!(", tags {}", tags.join(" "));
    }
    if let Some(unique) = unique {
        line += &format!(", unique {:?}", unique.key);
    }
    line + &format!(", id {id}")
}
