//! Lists of jobs, page by page: never all of them.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::{Place, Stored};
use crate::clock::Timestamp;
use crate::failure::ErrorKind;
use crate::names::{CHORES, JobKey, NameError, QueueName, TaskName};
use crate::state::JobState;
use crate::wire::{AttemptOutcome, AttemptRecord, Envelope};

/// Messages that are looked at for one page, at most: a page of what is rare may be short, or empty,
/// and still say where to go on.
pub const SCAN: usize = 1_000;
/// Jobs of a page when nobody says otherwise.
const PAGE: usize = 50;
/// Characters of an error message that a summary keeps.
const MAX_MESSAGE: usize = 300;

/// From which end a list begins. By when the broker stored what stands there now, which is when the
/// job came into its state; in several queues, one queue after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Order {
    /// The newest first.
    #[default]
    NewestFirst,
    /// The oldest first.
    OldestFirst,
}

/// Which jobs to list: those at one [`Place`], of which all that is given here must be true.
///
/// ```
/// use naq_core::JobState;
/// use naq_core::transport::JobsQuery;
///
/// let query = JobsQuery { limit: 20, ..JobsQuery::of(JobState::Retrying) };
/// # let _ = query;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobsQuery {
    /// Where they stand.
    pub place: Place,
    /// Their state; any that jobs have there by default.
    pub state: Option<JobState>,
    /// Their queue; all by default, in the order of their names, but for that of NAQ's own jobs.
    pub queue: Option<QueueName>,
    /// Their task.
    pub task: Option<TaskName>,
    /// The kind of their last error, or what it begins with: `HTTPError` is also `HTTPError.429`.
    pub error_kind: Option<ErrorKind>,
    /// A tag that they carry.
    pub tag: Option<String>,
    /// What their ids begin with.
    pub id_prefix: Option<String>,
    /// In their state since then at the earliest.
    pub since: Option<Timestamp>,
    /// In their state before then.
    pub until: Option<Timestamp>,
    /// From which end; the newest first by default.
    pub order: Order,
    /// Where an earlier page ended; from the beginning by default.
    pub cursor: Option<JobsCursor>,
    /// Jobs of a page, from 1 to [`SCAN`]; 50 by default.
    pub limit: usize,
}

impl JobsQuery {
    /// All jobs at this place.
    pub const fn at(place: Place) -> Self {
        Self {
            place,
            state: None,
            queue: None,
            task: None,
            error_kind: None,
            tag: None,
            id_prefix: None,
            since: None,
            until: None,
            order: Order::NewestFirst,
            cursor: None,
            limit: PAGE,
        }
    }

    /// All jobs in this state.
    pub fn of(state: JobState) -> Self {
        let place = match state {
            JobState::Pending | JobState::Running => Place::Queue,
            JobState::Blocked | JobState::Scheduled | JobState::Retrying => Place::Schedule,
            JobState::Dead => Place::Dead,
            JobState::Completed | JobState::Cancelled | JobState::Expired => Place::Record,
        };
        Self { state: Some(state), ..Self::at(place) }
    }

    /// Jobs of a page, within its limits.
    pub fn page(&self) -> usize {
        self.limit.clamp(1, SCAN)
    }

    /// Whether every message at its place is a job that fits.
    pub fn is_plain(&self) -> bool {
        let mixed = matches!(self.place, Place::Schedule | Place::Record);
        let by_state = self.state.is_some() && mixed;
        let narrowed = self.task.is_some() || self.error_kind.is_some() || self.tag.is_some();
        !by_state && !narrowed && self.id_prefix.is_none() && self.until.is_none()
    }

    fn fits(&self, job: &JobSummary) -> bool {
        let is = |kind: &ErrorKind| job.error_kind.as_ref().is_some_and(|of| of.is(kind));
        self.state.is_none_or(|state| state == job.state)
            && match &self.queue {
                Some(queue) => *queue == job.key.queue,
                // NAQ's own jobs are nobody's business, unless they are asked for.
                None => job.key.queue.as_str() != CHORES,
            }
            && self.task.as_ref().is_none_or(|task| job.task.as_ref() == Some(task))
            && self.error_kind.as_ref().is_none_or(is)
            && self.tag.as_ref().is_none_or(|tag| job.tags.contains(tag))
            && self.id_prefix.as_ref().is_none_or(|id| job.key.id.as_str().starts_with(id))
            && self.since.is_none_or(|since| job.stored_at >= since)
            && self.until.is_none_or(|until| job.stored_at < until)
    }
}

/// Where a page ended. As text for a URL or a command line: `123`, or `mail/123`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobsCursor {
    /// The queue that it ended in, of several.
    pub queue: Option<QueueName>,
    /// The sequence of the next message to look at.
    pub seq: u64,
}

/// A text that is no [`JobsCursor`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid cursor {0:?}: use what the page before says is next, as 123 or mail/123")]
pub struct JobsCursorError(String);

impl fmt::Display for JobsCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.queue {
            Some(queue) => write!(f, "{queue}/{}", self.seq),
            None => write!(f, "{}", self.seq),
        }
    }
}

impl FromStr for JobsCursor {
    type Err = JobsCursorError;

    fn from_str(text: &str) -> Result<Self, JobsCursorError> {
        let bad = || JobsCursorError(text.chars().take(80).collect());
        let (queue, seq) = match text.split_once('/') {
            Some((queue, seq)) => (Some(QueueName::new(queue).map_err(|_: NameError| bad())?), seq),
            None => (None, text),
        };
        Ok(Self { queue, seq: seq.parse().map_err(|_| bad())? })
    }
}

impl Serialize for JobsCursor {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// A job in a list: what its message says, without arguments and result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobSummary {
    /// Which job.
    #[serde(rename = "job")]
    pub key: JobKey,
    /// Where it stands.
    pub state: JobState,
    /// The task; none for what could not be read.
    pub task: Option<TaskName>,
    /// The attempt that is next, runs, or was the last, from 1.
    pub attempt: u32,
    /// Attempts in all; none for what could not be read.
    pub max_attempts: Option<u32>,
    /// When it will run, if it waits.
    pub due_at: Option<Timestamp>,
    /// When it was enqueued; none for what could not be read.
    pub enqueued_at: Option<Timestamp>,
    /// Since when it is in its state, by the broker's clock.
    pub stored_at: Timestamp,
    /// The kind of its last error.
    pub error_kind: Option<ErrorKind>,
    /// The message of that, cut short.
    pub message: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// The sequence of its message. With its place it names this very message.
    pub seq: u64,
}

impl JobSummary {
    /// Reads it off the message.
    pub fn of(stored: &Stored) -> Self {
        let (job, state) = match stored.place {
            Place::Queue if stored.delivered => (stored.envelope().ok(), JobState::Running),
            Place::Queue => (stored.envelope().ok(), JobState::Pending),
            Place::Schedule => {
                let job = stored.envelope().ok();
                let state = waiting_state(job.as_ref());
                (job, state)
            }
            Place::Dead => (stored.envelope().ok(), JobState::Dead),
            Place::Record => match stored.record() {
                Ok(record) => (Some(record.envelope), record.state),
                // Its place says that it ended.
                Err(_) => (None, JobState::Completed),
            },
        };
        let letter = (stored.place == Place::Dead).then(|| stored.dead_letter());
        let last = job.as_ref().and_then(Envelope::last_error);
        let (error_kind, message, task) = match letter {
            Some(letter) => (Some(letter.error_kind), Some(letter.message), letter.task),
            None => (
                last.and_then(|e| e.error_kind.clone()),
                last.and_then(|e| e.message.clone()),
                None,
            ),
        };
        Self {
            key: stored.key.clone(),
            state,
            task: task.or_else(|| job.as_ref().map(|job| job.task.clone())),
            attempt: job.as_ref().map_or_else(|| stored.step().attempt, |job| job.attempt),
            max_attempts: job.as_ref().map(Envelope::max_attempts),
            due_at: stored.due_at,
            enqueued_at: job.as_ref().map(|job| job.enqueued_at),
            stored_at: stored.stored_at,
            error_kind,
            message: message.map(|text| match text.char_indices().nth(MAX_MESSAGE) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text,
            }),
            tags: job.map(|job| job.tags).unwrap_or_default(),
            seq: stored.seq,
        }
    }
}

/// The state of a job that waits for its time.
pub fn waiting_state(job: Option<&Envelope>) -> JobState {
    // To be held back is no attempt.
    let tried = |entry: &&AttemptRecord| entry.outcome != AttemptOutcome::HeldBack;
    let last = job.and_then(|job| job.history.iter().rfind(tried));
    let fresh = last.is_none_or(|entry| entry.outcome == AttemptOutcome::Requeued);
    match job {
        Some(job) if job.is_blocked() => JobState::Blocked,
        _ if fresh => JobState::Scheduled,
        _ => JobState::Retrying,
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct JobsPage {
    /// The jobs, in the order that was asked for.
    pub jobs: Vec<JobSummary>,
    /// Messages that were looked at for them.
    pub scanned: usize,
    /// Where the next page begins; none after the last. A page may be empty and have a next one.
    pub next: Option<JobsCursor>,
}

/// A page in the making: a transport shows it one message after the other, in the order that was
/// asked for, until it wants no more.
#[derive(Debug)]
pub struct Scan<'a> {
    query: &'a JobsQuery,
    page: JobsPage,
}

/// A message that was looked at.
#[derive(Debug)]
pub struct Looked {
    /// Its sequence.
    pub seq: u64,
    stored_at: Timestamp,
    job: Option<JobSummary>,
}

impl<'a> Scan<'a> {
    /// Nothing yet.
    pub fn new(query: &'a JobsQuery) -> Self {
        Self { query, page: JobsPage::default() }
    }

    /// Looks at a message, which need not be kept for it.
    pub fn look(&self, stored: &Stored) -> Looked {
        let job = JobSummary::of(stored);
        let job = Some(job).filter(|job| self.query.fits(job));
        Looked { seq: stored.seq, stored_at: stored.stored_at, job }
    }

    /// Takes the next message in. False when nothing that comes after it can fit.
    pub fn take(&mut self, looked: Looked) -> bool {
        let JobsQuery { since, until, order, .. } = self.query;
        let past = match order {
            Order::NewestFirst => since.is_some_and(|since| looked.stored_at < since),
            Order::OldestFirst => until.is_some_and(|until| looked.stored_at >= until),
        };
        self.page.scanned += 1;
        self.page.jobs.extend(looked.job);
        !past
    }

    /// Whether the page is as full as it may get.
    pub fn is_full(&self) -> bool {
        self.page.jobs.len() >= self.query.page() || self.page.scanned >= SCAN
    }

    /// How many more messages are worth asking for at once.
    pub fn room(&self) -> usize {
        let room = self.query.page().saturating_sub(self.page.jobs.len()).max(1);
        // A filter may let few through; that many more requests cost more than messages.
        let ask = if self.query.is_plain() { room } else { room.max(SCAN / 4) };
        ask.min(SCAN.saturating_sub(self.page.scanned).max(1))
    }

    /// The page.
    pub fn finish(self, next: Option<JobsCursor>) -> JobsPage {
        JobsPage { next, ..self.page }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_round_trips_and_a_wrong_one_says_what_it_should_be() {
        for text in ["1", "mail/18446744073709551615"] {
            assert_eq!(text.parse::<JobsCursor>().map(|c| c.to_string()).as_deref(), Ok(text));
        }
        for bad in ["", "/", "mail/", "a/b/1", "-1", "mail/1 ", "../1", "18446744073709551616"] {
            let err = bad.parse::<JobsCursor>().expect_err(bad).to_string();
            assert!(err.contains("mail/123"), "{err}");
        }
    }

    #[test]
    fn every_state_has_its_place() {
        for state in JobState::ALL {
            assert_eq!(JobsQuery::of(state).state, Some(state));
        }
        assert_eq!(JobsQuery::of(JobState::Dead).place, Place::Dead);
    }
}
