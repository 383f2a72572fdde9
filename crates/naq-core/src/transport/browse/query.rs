//! [`JobsQuery`]: which jobs a list shows.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::clock::Timestamp;
use crate::failure::ErrorKind;
use crate::names::{NameError, QueueName, TaskName};
use crate::state::JobState;
use crate::transport::Place;

/// The most messages that a transport reads for one page. If few jobs fit the query, a page may be short
/// or empty and still have a next page.
pub const SCAN: usize = 1_000;
/// The default number of jobs in a page.
const PAGE: usize = 50;

/// The order of a list: by the time at which the broker stored the message, which is when the job
/// entered its state. A list of several queues has one queue after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Order {
    /// The newest first.
    #[default]
    NewestFirst,
    /// The oldest first.
    OldestFirst,
}

/// Which jobs to list: the jobs at one [`Place`] that meet all conditions.
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
    /// The place of their messages.
    pub place: Place,
    /// Their state; any state by default.
    pub state: Option<JobState>,
    /// Their queue. By default all queues in the order of their names, without the queue of chores.
    pub queue: Option<QueueName>,
    /// Their task; any by default.
    pub task: Option<TaskName>,
    /// The error kind of their last failure, or a kind above it: `HTTPError` also finds
    /// `HTTPError.429`. Any by default.
    pub error_kind: Option<ErrorKind>,
    /// A tag that they have; any by default.
    pub tag: Option<String>,
    /// The beginning of their ids; any by default.
    pub id_prefix: Option<String>,
    /// They entered their state at this time or later; any time by default.
    pub since: Option<Timestamp>,
    /// They entered their state before this time; any time by default.
    pub until: Option<Timestamp>,
    /// The order; the newest first by default.
    pub order: Order,
    /// Where the page begins; at the beginning of the list by default.
    pub cursor: Option<JobsCursor>,
    /// The most jobs in the page, from 1 to [`SCAN`]; 50 by default.
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

    /// The most jobs in the page: `limit`, but from 1 to [`SCAN`].
    pub fn page(&self) -> usize {
        self.limit.clamp(1, SCAN)
    }

    /// Whether every message at the place fits the query, so that the list needs no filter.
    pub fn is_plain(&self) -> bool {
        let mixed = matches!(self.place, Place::Schedule | Place::Record);
        let by_state = self.state.is_some() && mixed;
        let narrowed = self.task.is_some() || self.error_kind.is_some() || self.tag.is_some();
        !by_state && !narrowed && self.id_prefix.is_none() && self.until.is_none()
    }
}

/// Where a page begins. Its text form, for a URL or a command line, is `123` or `mail/123`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobsCursor {
    /// The queue, in a list of several queues.
    pub queue: Option<QueueName>,
    /// The sequence of the next message to read.
    pub seq: u64,
}

/// A text is not a [`JobsCursor`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid cursor {0:?}: use the `next` of the page before, such as 123 or mail/123")]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_round_trips_and_an_invalid_one_is_refused_with_an_example() {
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
