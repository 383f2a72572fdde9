//! [`LiveFilter`]: selects jobs that have not ended, pending ones among them.

use naq_core::clock::Timestamp;
use naq_core::failure::ErrorKind;
use naq_core::names::{CHORES, QueueName, TaskName};
use naq_core::state::JobState;
use naq_core::transport::{JobSummary, JobsQuery, Order, Place};
use serde::{Deserialize, Serialize};

/// Selects jobs that have not ended. A job must match every field that is set; an empty filter matches
/// all jobs but NAQ's own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LiveFilter {
    /// Jobs of this queue. Without it, jobs of all queues but that of NAQ's own jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// Jobs in this state: pending, running, scheduled, retrying or blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<JobState>,
    /// Jobs of this task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskName>,
    /// Jobs whose last failure has an error of this kind or a kind below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<ErrorKind>,
    /// Jobs with this tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Jobs that were enqueued before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enqueued_before: Option<Timestamp>,
}

impl LiveFilter {
    /// The places to read, one after the other. A job that comes due while the first is read is found
    /// in the second, and one that fails meanwhile in the third.
    pub(super) fn places(&self) -> &'static [Place] {
        match self.state {
            Some(JobState::Pending | JobState::Running) => &[Place::Queue],
            Some(_) => &[Place::Schedule],
            None => &[Place::Schedule, Place::Queue, Place::Schedule],
        }
    }

    pub(super) fn query(&self, place: Place) -> JobsQuery {
        JobsQuery {
            state: self.state,
            queue: self.queue.clone(),
            task: self.task.clone(),
            error_kind: self.error_kind.clone(),
            tag: self.tag.clone(),
            order: Order::OldestFirst,
            ..JobsQuery::at(place)
        }
    }

    /// Whether the job was enqueued before the batch started, and before the filter's time.
    pub(super) fn fits_age(&self, job: &JobSummary, until: Timestamp) -> bool {
        // The clock of its producer may be ahead of the broker's.
        let enqueued = job.enqueued_at.map_or(job.stored_at, |at| at.min(job.stored_at));
        let is_old = self.enqueued_before.is_none_or(|before| enqueued < before);
        // The queue of NAQ's own jobs counts only if the filter names it.
        let is_meant = self.queue.is_some() || job.key.queue.as_str() != CHORES;
        enqueued <= until && is_old && is_meant
    }
}
