//! [`signed_bytes`]: the bytes of a job that its signature covers. docs/wire-format.md describes them.

use crate::clock::{Timestamp, millis_up};
use crate::names::ScheduleName;
use crate::wire::{ByteList, EncodeError, Envelope, WIRE_VERSION};

/// The first line. It keeps a signature of a job from being one of anything else.
const JOB: &str = "naq-job-1\n";
const SCHEDULE: &str = "naq-schedule-1\n";

/// What a job and the job of a schedule both have.
fn put_work(bytes: &mut ByteList, job: &Envelope, tags: &[String]) -> Result<(), EncodeError> {
    bytes.put("task", job.task.as_str());
    bytes.put("args", job.args.bytes());
    bytes.put_some("policy", job.policy_bytes()?.as_ref().map(|policy| policy.bytes()));
    bytes.put_some("timeout_ms", job.timeout.map(|time| millis_up(time).to_string()));
    bytes.put("record_ttl_ms", millis_up(job.record_ttl).to_string());
    bytes.put_json("tags", Some(&tags).filter(|tags| !tags.is_empty()))?;
    bytes.put_json("unique", job.unique.as_ref())?;
    // What the limits of this attempt came to changes from attempt to attempt.
    let mut limits = job.limits.clone();
    for limit in &mut limits {
        limit.reserved = None;
        limit.lost = 0;
    }
    bytes.put_json("limits", Some(&limits).filter(|limits| !limits.is_empty()))?;
    bytes.put_json("on_exhausted", job.on_exhausted.as_ref())
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
    put_work(&mut bytes, job, &job.tags)?;
    Ok(bytes.finish())
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
    put_work(&mut bytes, job, &tags)?;
    Ok(bytes.finish())
}
