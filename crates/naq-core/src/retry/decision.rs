//! [`Decision`]: what follows an attempt, and why.

use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::{Jitter, Rule, Strategy};
use crate::{ErrorKind, Timestamp};

/// What follows an attempt: the action, the rule that decided, and, on request, one sentence.
///
/// Serialises as `{"action":"retry","delay_ms":5000,"rule":"strategy","reason":"..."}`, with a
/// `delay_ms` of null where nothing is waited for.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What to do.
    pub action: Action,
    /// The rule that decided.
    pub rule: Rule,
    pub(super) because: Because,
}

/// What to do with a job after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The job is done.
    Complete,
    /// Run it again; this counts as an attempt.
    Retry {
        /// The wait, in whole milliseconds.
        delay: Duration,
        /// The end of the wait; never earlier than the decision's `now` plus `delay`.
        at: Timestamp,
    },
    /// Run it again; this counts as no attempt.
    Snooze {
        /// The wait, in whole milliseconds.
        delay: Duration,
        /// The end of the wait.
        at: Timestamp,
    },
    /// Move it to the dead letter queue.
    Dead,
    /// End it as cancelled.
    Cancel,
    /// End it as expired.
    Expire,
}

/// What the sentence needs, kept as data: most sentences are never read.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Because {
    pub(super) attempt: u32,
    pub(super) max_attempts: u32,
    pub(super) kind: Option<ErrorKind>,
    pub(super) detail: Detail,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Detail {
    #[default]
    None,
    Listed(ErrorKind),
    Shape {
        strategy: Strategy,
        list: bool,
        jitter: Jitter,
    },
    TooLate {
        after: Duration,
        limit: Duration,
    },
    PastDeadline {
        start: Timestamp,
        deadline: Timestamp,
    },
    Crashes {
        crashes: u32,
        limit: u32,
    },
    /// What no policy decided.
    Said(String),
}

impl Decision {
    /// A decision that no policy took: for a message that cannot be decoded, or a task that no
    /// worker knows.
    pub fn new(action: Action, rule: Rule) -> Self {
        Self { action, rule, because: Because::default() }
    }

    /// A decision that no policy took, with its whole sentence.
    pub fn saying(action: Action, rule: Rule, sentence: impl Into<String>) -> Self {
        let detail = Detail::Said(sentence.into());
        Self { action, rule, because: Because { detail, ..Because::default() } }
    }
}

impl Action {
    /// The stable name: `complete`, `retry`, `snooze`, `dead`, `cancel`, `expire`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Retry { .. } => "retry",
            Self::Snooze { .. } => "snooze",
            Self::Dead => "dead",
            Self::Cancel => "cancel",
            Self::Expire => "expire",
        }
    }

    /// The wait, where there is one.
    pub const fn delay(self) -> Option<Duration> {
        match self {
            Self::Retry { delay, .. } | Self::Snooze { delay, .. } => Some(delay),
            _ => None,
        }
    }

    /// The end of the wait, where there is one.
    pub const fn at(self) -> Option<Timestamp> {
        match self {
            Self::Retry { at, .. } | Self::Snooze { at, .. } => Some(at),
            _ => None,
        }
    }
}

impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut out = s.serialize_struct("Decision", 4)?;
        out.serialize_field("action", self.action.as_str())?;
        out.serialize_field("delay_ms", &self.action.delay().map(crate::clock::millis_up))?;
        out.serialize_field("rule", &self.rule)?;
        out.serialize_field("reason", &self.reason())?;
        out.end()
    }
}
