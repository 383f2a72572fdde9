//! [`BatchAction`]: what is done with each.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::batch::{BatchError, BatchScope};

/// What a batch does with each dead letter or waiting job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
#[non_exhaustive]
pub enum BatchAction {
    /// Dead letters: another life for each, which the broker keeps until the undo window is over, and
    /// then lets go at this rate, or all at once without one.
    RequeueDead {
        /// So many a second; above zero.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        per_second: Option<f64>,
    },
    /// Dead letters: gone for good.
    PurgeDead,
    /// Waiting jobs: due now.
    Release,
    /// Waiting jobs that are due within `over` from now: each moved to a later time within it, evenly.
    /// None comes earlier than it would have.
    Spread {
        /// How long; above zero.
        #[serde(rename = "over_ms", with = "millis")]
        over: Duration,
    },
    /// Waiting jobs: no more than so many a second; those that come too soon for that are moved to a
    /// later time. None comes earlier than it would have.
    Drip {
        /// So many a second; above zero.
        per_second: f64,
    },
    /// Waiting jobs: ended as cancelled.
    Cancel,
}

impl BatchAction {
    /// The verb, as the audit log and the CLI have it.
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

    /// Whether it is for dead letters; if not, for waiting jobs.
    pub fn is_for_dead(&self) -> bool {
        matches!(self, Self::RequeueDead { .. } | Self::PurgeDead)
    }

    /// Whether it can be [undone](crate::Client::undo_batch), for as long as nothing of it is due.
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
            return Err(BatchError::Option(format!("a rate of {rate} a second: use one above 0")));
        }
        if matches!(self, Self::Spread { over } if over.is_zero()) {
            return Err(BatchError::Option("a span of 0: use one above 0".into()));
        }
        let needs = if self.is_for_dead() { "dead letters" } else { "waiting jobs" };
        if self.is_for_dead() != scope.is_dead() {
            return Err(BatchError::Mismatch {
                action: self.verb(),
                needs,
                scope: scope.words(None),
            });
        }
        scope.check()
    }
}

/// The time from one to the next at a rate.
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
    use crate::batch::WaitingFilter;

    #[test]
    fn what_makes_no_sense_is_refused() {
        let (dead, waiting) = (
            BatchScope::Dead(DeadFilter::default()),
            BatchScope::Waiting(WaitingFilter::default()),
        );
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
