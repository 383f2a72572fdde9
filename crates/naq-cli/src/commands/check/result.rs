//! [`CheckResult`]: compares measured values with their limits. Does no I/O.

use std::time::Duration;

use naq_core::clock::millis;
use serde::Serialize;

use crate::text::about;

/// The status of a check. The numbers are the exit codes that monitoring systems expect of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    Ok = 0,
    Warning = 1,
    Critical = 2,
    /// The check gave no answer: its arguments are wrong, or it lacks a permission.
    Unknown = 3,
}

impl Severity {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// The unit of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CheckUnit {
    Count,
    Millis,
    Percent,
}

impl CheckUnit {
    /// The value with its unit, for people.
    pub(super) fn words(self, n: u64) -> String {
        match self {
            Self::Count => n.to_string(),
            Self::Millis => about(Duration::from_millis(n)),
            Self::Percent => format!("{n} %"),
        }
    }
}

/// The side of a limit on which a value is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum BadSide {
    Above,
    Below,
}

/// The limits of a value. Without a limit every value is ok.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct CheckBounds {
    /// The side on which a value is bad.
    pub(super) side: BadSide,
    pub(super) warning: Option<u64>,
    pub(super) critical: Option<u64>,
}

impl CheckBounds {
    /// Limits of a value that is bad above them.
    pub(super) fn above(warning: Option<u64>, critical: Option<u64>) -> Self {
        Self { side: BadSide::Above, warning, critical }
    }

    /// Limits of a duration that is bad above them.
    pub(super) fn longer(warning: Option<Duration>, critical: Option<Duration>) -> Self {
        Self::above(warning.map(millis), critical.map(millis))
    }

    /// Limits of a value that is bad below them.
    pub(super) fn below(warning: Option<u64>, critical: Option<u64>) -> Self {
        Self { side: BadSide::Below, warning, critical }
    }

    /// Whether every value beyond the warning limit is beyond the critical limit too.
    pub(super) fn is_reversed(&self) -> bool {
        match (self.side, self.warning, self.critical) {
            (BadSide::Above, Some(warning), Some(critical)) => warning > critical,
            (BadSide::Below, Some(warning), Some(critical)) => warning < critical,
            _ => false,
        }
    }

    /// The severity of `value`.
    pub(super) fn judge(&self, value: u64) -> Severity {
        let beyond = |bound: Option<u64>| {
            bound.is_some_and(|bound| match self.side {
                BadSide::Above => value > bound,
                BadSide::Below => value < bound,
            })
        };
        if beyond(self.critical) {
            Severity::Critical
        } else if beyond(self.warning) {
            Severity::Warning
        } else {
            Severity::Ok
        }
    }
}

/// One measured value, and its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct CheckMeasure {
    pub(super) name: &'static str,
    /// The meaning of the value, in a few words.
    #[serde(skip)]
    pub(super) help: &'static str,
    pub(super) value: u64,
    pub(super) unit: CheckUnit,
    #[serde(flatten)]
    pub(super) bounds: CheckBounds,
}

impl CheckMeasure {
    pub(super) fn severity(&self) -> Severity {
        self.bounds.judge(self.value)
    }

    /// The value in words: `depth 1200 (critical above 1000)`.
    pub(super) fn words(&self) -> String {
        let value = format!("{} {}", self.name, self.unit.words(self.value));
        let severity = self.severity();
        let bound = match severity {
            Severity::Critical => self.bounds.critical,
            Severity::Warning => self.bounds.warning,
            _ => None,
        };
        let Some(bound) = bound else { return value };
        let side = match self.bounds.side {
            BadSide::Above => "above",
            BadSide::Below => "below",
        };
        let level = severity.word().to_lowercase();
        format!("{value} ({level} {side} {})", self.unit.words(bound))
    }
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct CheckResult {
    /// What was checked: queue, worker, dlq.
    pub(super) check: &'static str,
    /// The queue that was checked; none for all.
    pub(super) queue: Option<String>,
    #[serde(rename = "status")]
    pub(super) severity: Severity,
    pub(super) measures: Vec<CheckMeasure>,
    /// Further facts, one sentence each.
    pub(super) notes: Vec<String>,
    /// The command that shows more.
    pub(super) next: Option<String>,
}

impl CheckResult {
    /// A result with the severity of its worst value.
    pub(super) fn of(
        check: &'static str,
        queue: Option<String>,
        measures: Vec<CheckMeasure>,
    ) -> Self {
        let severity = measures.iter().map(CheckMeasure::severity).max().unwrap_or(Severity::Ok);
        Self { check, queue, severity, measures, notes: Vec::new(), next: None }
    }

    /// A result without values, because the check failed for this reason.
    pub(super) fn unknown(
        check: &'static str,
        queue: Option<String>,
        severity: Severity,
        reason: String,
    ) -> Self {
        Self { check, queue, severity, measures: Vec::new(), notes: vec![reason], next: None }
    }

    /// Adds a note, if there is one.
    #[must_use]
    pub(super) fn add_note(mut self, note: Option<String>) -> Self {
        self.notes.extend(note);
        self
    }

    /// Adds the command that shows more, unless the result is ok.
    #[must_use]
    pub(super) fn next(mut self, next: Option<String>) -> Self {
        self.next = next.filter(|_| self.severity != Severity::Ok);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_at_the_limit_is_ok_and_one_beyond_it_is_not() {
        use Severity::{Critical, Ok, Warning};
        let above = CheckBounds::above(Some(10), Some(20));
        let below = CheckBounds::below(Some(3), Some(1));
        for (bounds, value, expected) in [
            (above, 0, Ok),
            (above, 10, Ok),
            (above, 11, Warning),
            (above, 20, Warning),
            (above, 21, Critical),
            (above, u64::MAX, Critical),
            (below, 3, Ok),
            (below, 2, Warning),
            (below, 1, Warning),
            (below, 0, Critical),
            (CheckBounds::above(None, Some(0)), 0, Ok),
            (CheckBounds::above(None, Some(0)), 1, Critical),
            (CheckBounds::above(Some(0), None), 1, Warning),
            (CheckBounds::above(None, None), u64::MAX, Ok),
            (CheckBounds::below(None, None), 0, Ok),
            // With reversed limits the critical one counts.
            (CheckBounds::above(Some(9), Some(5)), 6, Critical),
        ] {
            assert_eq!(bounds.judge(value), expected, "{bounds:?} {value}");
        }
    }

    #[test]
    fn a_warning_limit_beyond_the_critical_one_is_reversed() {
        for (bounds, expected) in [
            (CheckBounds::above(Some(10), Some(20)), false),
            (CheckBounds::above(Some(20), Some(20)), false),
            (CheckBounds::above(Some(21), Some(20)), true),
            (CheckBounds::below(Some(3), Some(1)), false),
            (CheckBounds::below(Some(1), Some(3)), true),
            (CheckBounds::above(Some(21), None), false),
        ] {
            assert_eq!(bounds.is_reversed(), expected, "{bounds:?}");
        }
    }

    fn depth(value: u64) -> CheckMeasure {
        let bounds = CheckBounds::above(Some(10), Some(20));
        CheckMeasure { name: "depth", help: "", value, unit: CheckUnit::Count, bounds }
    }

    #[test]
    fn a_result_is_as_bad_as_the_worst_measure() {
        let of = |values: &[u64]| {
            CheckResult::of("queue", None, values.iter().copied().map(depth).collect()).severity
        };
        assert_eq!(of(&[]), Severity::Ok);
        assert_eq!(of(&[1, 2]), Severity::Ok);
        assert_eq!(of(&[1, 11, 2]), Severity::Warning);
        assert_eq!(of(&[21, 11]), Severity::Critical);
    }

    #[test]
    fn a_value_beyond_a_limit_names_that_limit() {
        let oldest = CheckMeasure {
            name: "oldest",
            help: "",
            value: 90_000,
            unit: CheckUnit::Millis,
            bounds: CheckBounds::longer(Some(Duration::from_secs(60)), None),
        };
        assert_eq!(oldest.words(), "oldest 1m30s (warning above 1m)");
        assert_eq!(depth(3).words(), "depth 3");
        assert_eq!(depth(30).words(), "depth 30 (critical above 20)");
    }
}
