//! [`BatchScope`]: on what.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::BatchError;
use crate::client::DeadFilter;
use crate::names::{QueueName, TaskName};
use crate::transport::{JobKey, Stored};

/// Letters or jobs that can be named one by one in a batch.
pub const MAX_SELECTED: usize = 1000;

/// One dead letter, or one waiting message of a job.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BatchItem {
    /// The job.
    pub job: JobKey,
    /// The sequence of its letter or message.
    pub seq: u64,
}

/// Which waiting jobs. Everything that is set must fit; nothing set means all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WaitingFilter {
    /// Of this queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// Of this task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskName>,
}

/// What a batch is about. What comes after it was started is not meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BatchScope {
    /// These dead letters.
    Letters(Vec<BatchItem>),
    /// The dead letters that fit: of a queue, of an error group, all.
    Dead(DeadFilter),
    /// These waiting jobs.
    Jobs(Vec<BatchItem>),
    /// The waiting jobs that fit, but for those that wait for other jobs to end.
    Waiting(WaitingFilter),
}

impl From<&Stored> for BatchItem {
    fn from(stored: &Stored) -> Self {
        Self { job: stored.key.clone(), seq: stored.seq }
    }
}

impl WaitingFilter {
    /// Whether this waiting job is meant.
    pub fn fits(&self, stored: &Stored) -> bool {
        let of_task = |task: &TaskName| stored.envelope().is_ok_and(|job| job.task == *task);
        self.queue.as_ref().is_none_or(|queue| *queue == stored.key.queue)
            && self.task.as_ref().is_none_or(of_task)
    }
}

impl BatchScope {
    /// Whether it is about dead letters; if not, about waiting jobs.
    pub fn is_dead(&self) -> bool {
        matches!(self, Self::Letters(_) | Self::Dead(_))
    }

    pub(super) fn check(&self) -> Result<(), BatchError> {
        match self {
            Self::Letters(items) | Self::Jobs(items) if items.is_empty() => {
                Err(BatchError::Nothing(self.words(None)))
            }
            Self::Letters(items) | Self::Jobs(items) if items.len() > MAX_SELECTED => {
                Err(BatchError::TooMany(items.len()))
            }
            _ => Ok(()),
        }
    }

    /// In words, as `344 dead letters of queue mail, task email.send`; without a count
    /// `dead letters of ...`.
    pub fn words(&self, count: Option<&str>) -> String {
        let (one, many) = match self {
            Self::Letters(_) => ("selected dead letter", "selected dead letters"),
            Self::Dead(_) => ("dead letter", "dead letters"),
            Self::Jobs(_) => ("selected waiting job", "selected waiting jobs"),
            Self::Waiting(_) => ("waiting job", "waiting jobs"),
        };
        let mut text = match count {
            None => many.to_owned(),
            Some("1") => format!("1 {one}"),
            Some(count) => format!("{count} {many}"),
        };
        let mut lead = " of ";
        let mut add = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                // To a string, which cannot fail.
                let _ = write!(text, "{lead}{name} {value}");
                lead = ", ";
            }
        };
        match self {
            Self::Letters(_) | Self::Jobs(_) => {}
            Self::Dead(filter) => {
                add("queue", filter.queue.as_ref().map(QueueName::as_str));
                add("task", filter.task.as_ref().map(TaskName::as_str));
                add("kind", filter.error_kind.as_ref().map(|kind| kind.as_str()));
                add("message", filter.pattern.as_ref().map(|p| format!("{p:?}")).as_deref());
                add("id", filter.id.as_ref().map(|id| id.as_str()));
            }
            Self::Waiting(filter) => {
                add("queue", filter.queue.as_ref().map(QueueName::as_str));
                add("task", filter.task.as_ref().map(TaskName::as_str));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::ErrorKind;

    #[test]
    fn a_scope_reads_as_people_say_it() {
        let queue = Some(QueueName::new("mail").expect("a name"));
        let task = Some(TaskName::new("email.send").expect("a name"));
        let filter =
            DeadFilter { queue: queue.clone(), task: task.clone(), ..DeadFilter::default() };
        let group = DeadFilter {
            error_kind: Some(ErrorKind::TIMEOUT),
            pattern: Some("no answer in …".into()),
            ..filter.clone()
        };
        let item = BatchItem { job: "mail/a".parse().expect("a key"), seq: 7 };
        for (scope, count, words) in [
            (BatchScope::Dead(DeadFilter::default()), None, "dead letters"),
            (BatchScope::Dead(DeadFilter::default()), Some("1"), "1 dead letter"),
            (
                BatchScope::Dead(filter),
                Some("344"),
                "344 dead letters of queue mail, task email.send",
            ),
            (
                BatchScope::Dead(group),
                Some("more than 10000"),
                "more than 10000 dead letters of queue mail, task email.send, kind TimeoutError, \
                 message \"no answer in …\"",
            ),
            (BatchScope::Letters(vec![item]), Some("1"), "1 selected dead letter"),
            (
                BatchScope::Waiting(WaitingFilter { queue, task }),
                Some("2"),
                "2 waiting jobs of queue mail, task email.send",
            ),
        ] {
            assert_eq!(scope.words(count), words);
            let text = serde_json::to_string(&scope).expect("writes");
            assert_eq!(serde_json::from_str::<BatchScope>(&text).expect("reads"), scope, "{text}");
        }
    }
}
