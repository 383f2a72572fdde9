//! [`BatchAction`]: what a batch does to each item.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::batch::error::BatchError;
use crate::batch::scope::BatchScope;

/// What a batch does to each dead letter or waiting job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
#[non_exhaustive]
pub enum BatchAction {
    /// Dead letters: requeues each one. The broker holds the new jobs until the undo window is over;
    /// then they are due at this rate, or all at once without a rate.
    RequeueDead {
        /// Jobs per second; above zero.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        per_second: Option<f64>,
    },
    /// Dead letters: removes them for good.
    PurgeDead,
    /// Waiting jobs: makes them due now.
    Release,
    /// Waiting jobs that are due within `over` from now: moves each to a later time within it,
    /// evenly. No job becomes due earlier.
    Spread {
        /// The time span; above zero.
        #[serde(rename = "over_ms", with = "millis")]
        over: Duration,
    },
    /// Waiting jobs: makes at most this many due per second, by moving jobs to later times. No job
    /// becomes due earlier.
    Drip {
        /// Jobs per second; above zero.
        per_second: f64,
    },
    /// Waiting jobs, or [live](BatchScope::Live) ones: cancels them. A handler that runs is notified.
    Cancel,
}

impl BatchAction {
    /// The verb, as in the audit log and the CLI.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::RequeueDead { .. } => "requeue",
            Self::PurgeDead => "purge",
            Self::Release => "release",
            Self::Spread { .. } => "spread",
            Self::Drip { .. } => "drip",
            Self::Cancel => "cancel",
        }
    }

    /// True if it applies to dead letters, false if to waiting jobs.
    pub fn is_for_dead(&self) -> bool {
        matches!(self, Self::RequeueDead { .. } | Self::PurgeDead)
    }

    /// True if it can be [undone](crate::Client::undo_batch) while its jobs are not due.
    pub fn can_be_undone(&self) -> bool {
        matches!(self, Self::RequeueDead { .. })
    }

    pub(super) fn check(&self, scope: &BatchScope) -> Result<(), BatchError> {
        let rate = match self {
            Self::RequeueDead { per_second } => *per_second,
            Self::Drip { per_second } => Some(*per_second),
            _ => None,
        };
        if let Some(rate) = rate.filter(|rate| !(rate.is_finite() && *rate > 0.0)) {
            return Err(BatchError::Option(format!(
                "a rate of {rate} per second: use one above 0"
            )));
        }
        if matches!(self, Self::Spread { over } if over.is_zero()) {
            return Err(BatchError::Option("a span of 0: use one above 0".into()));
        }
        let needs = if self.is_for_dead() { "dead letters" } else { "waiting jobs" };
        let is_live = matches!(scope, BatchScope::Live(_));
        if self.is_for_dead() != scope.is_dead() || (is_live && *self != Self::Cancel) {
            return Err(BatchError::Mismatch {
                action: self.verb(),
                needs,
                scope: scope.words(None),
            });
        }
        scope.check()
    }
}

/// The time between two jobs at this rate.
pub(super) fn interval(per_second: f64) -> Duration {
    Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Duration::MAX)
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
        naq_core::clock::millis_up(*d).serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        u64::deserialize(d).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeadFilter;
    use crate::batch::scope::WaitingFilter;

    #[test]
    fn an_action_with_wrong_values_or_scope_is_refused() {
        let dead = BatchScope::Dead(DeadFilter::default());
        let waiting = BatchScope::Waiting(WaitingFilter::default());
        for (action, scope, fits) in [
            (BatchAction::RequeueDead { per_second: None }, &dead, true),
            (BatchAction::RequeueDead { per_second: Some(0.5) }, &dead, true),
            (BatchAction::RequeueDead { per_second: Some(0.0) }, &dead, false),
            (BatchAction::RequeueDead { per_second: Some(f64::NAN) }, &dead, false),
            (BatchAction::PurgeDead, &waiting, false),
            (BatchAction::Release, &waiting, true),
            (BatchAction::Cancel, &dead, false),
            (BatchAction::Spread { over: Duration::ZERO }, &waiting, false),
            (BatchAction::Spread { over: Duration::from_secs(1) }, &waiting, true),
            (BatchAction::Drip { per_second: f64::INFINITY }, &waiting, false),
        ] {
            assert_eq!(action.check(scope).is_ok(), fits, "{action:?}");
        }
        assert!(BatchAction::Release.check(&BatchScope::Jobs(Vec::new())).is_err());
    }

    #[test]
    fn an_action_round_trips() {
        for action in [
            BatchAction::RequeueDead { per_second: Some(2.5) },
            BatchAction::Spread { over: Duration::from_secs(90) },
            BatchAction::Cancel,
        ] {
            let text = serde_json::to_string(&action).expect("writes");
            assert_eq!(
                serde_json::from_str::<BatchAction>(&text).expect("reads"),
                action,
                "{text}"
            );
        }
    }
}
