//! [`BatchScope`], [`WaitingFilter`]: what the action of a batch is done to.

use std::fmt::Write;

use naq_core::failure::ErrorKind;
use naq_core::names::{QueueName, TaskName};
use naq_core::seal::shown_text;
use naq_core::state::JobState;
use naq_core::stats::pattern;
use naq_core::transport::Stored;
use naq_core::wire::{AttemptRecord, Envelope};
use serde::{Deserialize, Serialize};

use crate::DeadFilter;
use crate::batch::error::BatchError;
use crate::batch::item::{BatchItem, MAX_SELECTED};
use crate::batch::live_filter::LiveFilter;

/// Selects waiting jobs. A job must match every field that is set; an empty filter matches all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WaitingFilter {
    /// Jobs of this queue. Without it, jobs of all queues but that of NAQ's own jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// Jobs of this task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskName>,
    /// Jobs whose last failure has an error of this kind or a kind below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<ErrorKind>,
    /// Jobs whose last failure has a message with this [pattern]. With a pattern, the error kind must
    /// be equal; together with a task that is one error group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

/// What the action of a batch is done to. Jobs that die or start to wait after the start of the batch
/// are not included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BatchScope {
    /// These dead letters.
    Letters(Vec<BatchItem>),
    /// The dead letters that match: of a queue, of an error group, or all.
    Dead(DeadFilter),
    /// These waiting jobs.
    Jobs(Vec<BatchItem>),
    /// The jobs that have not ended and match, pending and blocked ones among them. Only a cancel can be
    /// done to them.
    Live(LiveFilter),
    /// The waiting jobs that match, except jobs that wait for other jobs to end.
    Waiting(WaitingFilter),
}

impl WaitingFilter {
    /// True if this waiting job matches.
    pub fn fits(&self, stored: &Stored) -> bool {
        if self.queue.as_ref().is_some_and(|queue| *queue != stored.key.queue) {
            return false;
        }
        self.is_any_task() || stored.envelope().is_ok_and(|job| self.fits_job(&job))
    }

    fn fits_job(&self, job: &Envelope) -> bool {
        let of_kind =
            |kind: &ErrorKind, last: &AttemptRecord| match (&last.error_kind, &self.pattern) {
                (Some(of), None) => of.is(kind),
                (of, _) => of.as_ref() == Some(kind),
            };
        let failed = job.history.iter().rfind(|it| it.error_kind.is_some());
        let of_pattern = |p: &String, last: &AttemptRecord| {
            last.message.as_ref().is_some_and(|message| pattern(&shown_text(message)) == *p)
        };
        self.task.as_ref().is_none_or(|task| job.task == *task)
            && self
                .error_kind
                .as_ref()
                .is_none_or(|kind| failed.is_some_and(|it| of_kind(kind, it)))
            && self.pattern.as_ref().is_none_or(|p| failed.is_some_and(|it| of_pattern(p, it)))
    }

    /// True if only the queue is set. The broker itself counts such jobs.
    pub(super) fn is_any_task(&self) -> bool {
        let Self { queue: _, task, error_kind, pattern } = self;
        task.is_none() && error_kind.is_none() && pattern.is_none()
    }
}

impl BatchScope {
    /// True for dead letters, false for waiting jobs.
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

    /// The scope in words, such as `344 dead letters of queue mail, task email.send`; without a count
    /// `dead letters of ...`.
    pub fn words(&self, count: Option<&str>) -> String {
        let (one, many) = match self {
            Self::Letters(_) => ("selected dead letter", "selected dead letters"),
            Self::Dead(_) => ("dead letter", "dead letters"),
            Self::Jobs(_) => ("selected waiting job", "selected waiting jobs"),
            Self::Waiting(_) => ("waiting job", "waiting jobs"),
            Self::Live(filter) => return live_words(filter, count),
        };
        let mut text = match count {
            None => many.to_owned(),
            Some("1") => format!("1 {one}"),
            Some(count) => format!("{count} {many}"),
        };
        let mut lead = " of ";
        let mut add = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                // A write to a string cannot fail.
                let _ = write!(text, "{lead}{name} {value}");
                lead = ", ";
            }
        };
        match self {
            Self::Letters(_) | Self::Jobs(_) | Self::Live(_) => {}
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
                add("kind", filter.error_kind.as_ref().map(|kind| kind.as_str()));
                add("message", filter.pattern.as_ref().map(|p| format!("{p:?}")).as_deref());
            }
        }
        text
    }
}

/// `344 pending jobs of queue mail, task email.send`.
fn live_words(filter: &LiveFilter, count: Option<&str>) -> String {
    let LiveFilter { queue, state, task, error_kind, tag, enqueued_before } = filter;
    let state = state.map_or("live", JobState::as_str);
    let parts = [
        ("queue", queue.as_ref().map(ToString::to_string)),
        ("task", task.as_ref().map(ToString::to_string)),
        ("kind", error_kind.as_ref().map(ToString::to_string)),
        ("tag", tag.as_ref().map(|tag| format!("{tag:?}"))),
        ("enqueued before", enqueued_before.map(|at| at.to_string())),
    ];
    let parts: Vec<_> =
        parts.iter().filter_map(|(name, it)| Some(format!("{name} {}", it.as_ref()?))).collect();
    let of = if parts.is_empty() { String::new() } else { format!(" of {}", parts.join(", ")) };
    match count {
        None => format!("{state} jobs{of}"),
        Some("1") => format!("1 {state} job{of}"),
        Some(count) => format!("{count} {state} jobs{of}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use naq_core::failure::ErrorKind;

    #[test]
    fn a_scope_in_words() {
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
            (BatchScope::Live(LiveFilter::default()), Some("2"), "2 live jobs"),
            (
                BatchScope::Live(LiveFilter {
                    queue: queue.clone(),
                    state: Some(JobState::Pending),
                    tag: Some("t1".into()),
                    ..LiveFilter::default()
                }),
                Some("1"),
                "1 pending job of queue mail, tag \"t1\"",
            ),
            (
                BatchScope::Waiting(WaitingFilter { queue, task, ..WaitingFilter::default() }),
                Some("2"),
                "2 waiting jobs of queue mail, task email.send",
            ),
        ] {
            assert_eq!(scope.words(count), words);
            let text = serde_json::to_string(&scope).expect("writes");
            assert_eq!(serde_json::from_str::<BatchScope>(&text).expect("reads"), scope, "{text}");
        }
    }

    #[test]
    fn a_waiting_job_belongs_to_the_error_group_of_its_last_failure() {
        let (queue, id) = (QueueName::default(), naq_core::JobId::random());
        let task = TaskName::new("email.send").expect("a name");
        let at = naq_core::Timestamp::from_millis(1_000);
        let args = naq_core::Payload::null(naq_core::Codec::Json);
        let mut job = Envelope::new(queue, id, task.clone(), args, at);
        let all = WaitingFilter { task: Some(task), ..WaitingFilter::default() };
        let of = |kind: &ErrorKind, message: Option<&str>| WaitingFilter {
            error_kind: Some(kind.clone()),
            pattern: message.map(pattern),
            ..all.clone()
        };
        let group = of(&ErrorKind::TIMEOUT, Some("no answer in 99 s"));
        assert!(all.fits_job(&job) && !group.fits_job(&job), "the job has not failed yet");
        let mut failed = |kind: ErrorKind, message: &str| {
            let mut record = AttemptRecord::new(1, naq_core::wire::AttemptOutcome::Failed);
            record.error_kind = Some(kind);
            record.message = Some(message.to_owned());
            job.history.push(record);
            job.history.push(AttemptRecord::new(1, naq_core::wire::AttemptOutcome::HeldBack));
            job.clone()
        };
        let first = failed(ErrorKind::TIMEOUT, "no answer in 7 s");
        assert!(group.fits_job(&first) && of(&ErrorKind::TIMEOUT, None).fits_job(&first));
        assert!(!of(&ErrorKind::TIMEOUT, Some("refused")).fits_job(&first));
        let second = failed(ErrorKind::http(503), "no answer in 7 s");
        assert!(!group.fits_job(&second) && !of(&ErrorKind::TIMEOUT, None).fits_job(&second));
        let above = ErrorKind::HTTP;
        assert!(of(&above, None).fits_job(&second));
        assert!(!of(&above, Some("no answer in 7 s")).fits_job(&second), "the kind must be equal");
    }
}
