//! [`signed_bytes`]: the bytes of a job that its signature covers. docs/wire-format.md describes them.

use serde::Serialize;

use crate::clock::{Timestamp, millis_up};
use crate::names::ScheduleName;
use crate::wire::{EncodeError, Envelope, WIRE_VERSION};

/// The first line. It keeps a signature of a job from being one of anything else.
const JOB: &str = "naq-job-1\n";
const SCHEDULE: &str = "naq-schedule-1\n";

/// Named values, each with its length, so that no value can pretend to be the next one.
struct ByteList(Vec<u8>);

impl ByteList {
    fn new(first_line: &str, size: usize) -> Self {
        let mut bytes = Vec::with_capacity(size);
        bytes.extend_from_slice(first_line.as_bytes());
        Self(bytes)
    }

    fn put(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        self.0.extend_from_slice(format!("{name} {}\n", value.len()).as_bytes());
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }

    fn put_some(&mut self, name: &str, value: Option<impl AsRef<[u8]>>) {
        match value {
            Some(value) => self.put(name, value),
            None => self.put(name, ""),
        }
    }

    /// The value as JSON.
    fn put_json<T: Serialize>(&mut self, name: &str, value: Option<&T>) -> Result<(), EncodeError> {
        let json = value.map(|value| crate::wire::Codec::Json.encode(name, value)).transpose()?;
        self.put_some(name, json);
        Ok(())
    }

    /// What a job and the job of a schedule both have.
    fn put_work(&mut self, job: &Envelope, tags: &[String]) -> Result<(), EncodeError> {
        self.put("task", job.task.as_str());
        self.put("args", job.args.bytes());
        self.put_some("policy", job.policy_bytes()?.as_ref().map(|policy| policy.bytes()));
        self.put_some("timeout_ms", job.timeout.map(|time| millis_up(time).to_string()));
        self.put("record_ttl_ms", millis_up(job.record_ttl).to_string());
        self.put_json("tags", Some(&tags).filter(|tags| !tags.is_empty()))?;
        self.put_json("unique", job.unique.as_ref())?;
        // What the limits of this attempt came to changes from attempt to attempt.
        let mut limits = job.limits.clone();
        for limit in &mut limits {
            limit.reserved = None;
            limit.lost = 0;
        }
        self.put_json("limits", Some(&limits).filter(|limits| !limits.is_empty()))?;
        self.put_json("on_exhausted", job.on_exhausted.as_ref())
    }
}

/// The bytes that the signature of a job covers: all that its producer decides, and nothing that changes
/// from attempt to attempt.
///
/// # Errors
/// [`EncodeError`] if a value cannot be written.
pub fn signed_bytes(job: &Envelope) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = ByteList::new(JOB, job.args.bytes().len() + 512);
    bytes.put("v", WIRE_VERSION.to_string());
    bytes.put("codec", job.codec.to_string());
    bytes.put("queue", job.queue.as_str());
    bytes.put("id", job.id.as_str());
    bytes.put("life", job.origin().as_str());
    bytes.put("enqueued_at", job.enqueued_at.to_string());
    bytes.put_some("deadline", job.deadline.map(|at: Timestamp| at.to_string()));
    bytes.put_some("workflow", job.workflow.as_ref().map(|id| id.as_str()));
    // A job stops waiting for its parents after they have ended.
    let mut depends_on = job.depends_on.clone();
    if let Some(depends) = &mut depends_on {
        depends.waived = false;
    }
    bytes.put_json("depends_on", depends_on.as_ref())?;
    bytes.put_work(job, &job.tags)?;
    Ok(bytes.0)
}

/// The bytes that the signature of a schedule covers: its name and its job. Each of its runs is signed
/// with them, so they have neither id nor times.
///
/// # Errors
/// [`EncodeError`] if a value cannot be written.
pub fn signed_schedule_bytes(
    schedule: &ScheduleName,
    job: &Envelope,
) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = ByteList::new(SCHEDULE, job.args.bytes().len() + 512);
    bytes.put("v", WIRE_VERSION.to_string());
    bytes.put("codec", job.codec.to_string());
    bytes.put("schedule", schedule.as_str());
    bytes.put("queue", job.queue.as_str());
    // Each run has one more tag than the job of the schedule.
    let of_run = format!("schedule:{schedule}");
    let tags: Vec<_> = job.tags.iter().filter(|tag| **tag != of_run).cloned().collect();
    bytes.put_work(job, &tags)?;
    Ok(bytes.0)
}
