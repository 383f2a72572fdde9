//! [`ObservedEnding`]: an ending as metrics, statistics and traces count it, with its error.

use naq_core::retry::{Action, Rule};
use naq_core::seal::shown_text;
use naq_core::stats::Ending;
use naq_core::{ErrorKind, Failure, JobState};

/// An ending, and the error that led to it.
#[derive(Debug)]
pub(crate) struct ObservedEnding {
    pub(crate) ending: Ending,
    pub(crate) error: Option<Box<EndingError>>,
}

/// An error, and the rule that decided what follows it.
#[derive(Debug)]
pub(crate) struct EndingError {
    pub(crate) kind: ErrorKind,
    /// Of an encrypted message only the id of the key: statistics are readable by all.
    pub(crate) message: String,
    pub(crate) rule: Rule,
}

impl ObservedEnding {
    pub(crate) fn of(ending: Ending) -> Self {
        Self { ending, error: None }
    }

    pub(crate) fn with_error(self, failure: &Failure, rule: Rule) -> Self {
        let kind = failure.kind().clone();
        let message = shown_text(failure.message()).into_owned();
        Self { error: Some(Box::new(EndingError { kind, message, rule })), ..self }
    }
}

/// How a decision counts once it is stored.
pub(crate) fn ending_of_action(action: &Action) -> Ending {
    match *action {
        Action::Complete => Ending::Completed,
        Action::Retry { delay, at } => Ending::Retried { delay, due_at: at },
        Action::Snooze { .. } => Ending::Snoozed,
        Action::Cancel => Ending::Cancelled,
        Action::Expire => Ending::Expired,
        Action::Dead => Ending::Dead,
    }
}

/// How the end of a job counts.
pub(crate) fn ending_of_state(state: JobState) -> Ending {
    match state {
        JobState::Completed => Ending::Completed,
        JobState::Dead => Ending::Dead,
        JobState::Cancelled => Ending::Cancelled,
        JobState::Expired => Ending::Expired,
        _ => Ending::Interrupted,
    }
}
