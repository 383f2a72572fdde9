//! [`Decision`]: what follows an attempt, and why.

use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::{Jitter, Rule, Strategy};
use crate::{ErrorKind, Timestamp};

/// What follows an attempt: the action and the rule that decided. [`Decision::reason`] explains it in
/// one sentence.
///
/// It serialises as `{"action":"retry","delay_ms":5000,"rule":"strategy","reason":"..."}`. `delay_ms`
/// is null if the action has no delay.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What happens to the job.
    pub action: Action,
    /// The rule that decided.
    pub rule: Rule,
    pub(super) reason_data: ReasonData,
}

/// What happens to a job after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The job ends as completed.
    Complete,
    /// The job runs again. The next run counts as an attempt.
    Retry {
        /// The wait, in whole milliseconds.
        delay: Duration,
        /// When the job runs again: the time of the decision plus `delay`.
        at: Timestamp,
    },
    /// The job runs again. The run that asked for this does not count as an attempt.
    Snooze {
        /// The wait, in whole milliseconds.
        delay: Duration,
        /// When the job runs again.
        at: Timestamp,
    },
    /// The job moves to the dead letter queue.
    Dead,
    /// The job ends as cancelled.
    Cancel,
    /// The job ends as expired.
    Expire,
}

/// What [`Decision::reason`] needs to write its sentence. The sentence is not written in advance
/// because most are never read.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct ReasonData {
    pub(super) attempt: u32,
    pub(super) max_attempts: u32,
    pub(super) kind: Option<ErrorKind>,
    pub(super) detail: ReasonDetail,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum ReasonDetail {
    #[default]
    None,
    Listed(ErrorKind),
    Strategy {
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
    /// The whole sentence, for a decision that no policy made.
    Sentence(String),
}

impl Decision {
    /// A decision that no policy made: for a message that cannot be decoded, or a task that no worker
    /// knows.
    pub fn new(action: Action, rule: Rule) -> Self {
        Self { action, rule, reason_data: ReasonData::default() }
    }

    /// A decision that no policy made, with its reason as a whole sentence.
    pub fn saying(action: Action, rule: Rule, sentence: impl Into<String>) -> Self {
        let detail = ReasonDetail::Sentence(sentence.into());
        Self { action, rule, reason_data: ReasonData { detail, ..ReasonData::default() } }
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

    /// The wait of a retry or a snooze; `None` for other actions.
    pub const fn delay(self) -> Option<Duration> {
        match self {
            Self::Retry { delay, .. } | Self::Snooze { delay, .. } => Some(delay),
            _ => None,
        }
    }

    /// When the job runs again after a retry or a snooze; `None` for other actions.
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
