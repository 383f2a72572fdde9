//! [`Expected`]: how a job should end, written beside the code that enqueues it.

use std::ops::RangeInclusive;
use std::time::Duration;

use naq::JobState;
use naq::retry::Rule;

/// How a job should end, by which rule, and the waits before that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The final state.
    pub state: JobState,
    /// The rule that ends it.
    pub rule: Rule,
    /// The delays that NAQ should decide on, in order.
    pub waits: Vec<Wait>,
    /// How many of these waits are snoozes, which do not count as attempts.
    pub snoozes: u32,
    /// What the handler should return; not checked if `None`.
    pub result: Option<&'static str>,
}

/// A delay, or with jitter the range that the delay is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The shortest.
    pub min: Duration,
    /// The longest.
    pub max: Duration,
}

impl Expected {
    /// Succeeds, after failures that were followed by these delays.
    pub fn completed_after(waits: impl IntoIterator<Item = impl Into<Wait>>) -> Self {
        Self::new(JobState::Completed, Rule::Succeeded, waits)
    }

    /// Becomes a dead letter by this rule, after failures that were followed by these delays.
    pub fn dead_after(waits: impl IntoIterator<Item = impl Into<Wait>>, rule: Rule) -> Self {
        Self::new(JobState::Dead, rule, waits)
    }

    /// Becomes a dead letter by this rule at its first attempt.
    pub fn dead_at_once(rule: Rule) -> Self {
        Self::new(JobState::Dead, rule, [Duration::ZERO; 0])
    }

    /// Is cancelled by its handler at its first attempt.
    pub fn cancelled_at_once() -> Self {
        Self::new(JobState::Cancelled, Rule::Cancel, [Duration::ZERO; 0])
    }

    fn new(state: JobState, rule: Rule, waits: impl IntoIterator<Item = impl Into<Wait>>) -> Self {
        let waits = waits.into_iter().map(Into::into).collect();
        Self { state, rule, waits, snoozes: 0, result: None }
    }

    /// This many of the waits are snoozes.
    #[must_use]
    pub fn snoozes(mut self, snoozes: u32) -> Self {
        self.snoozes = snoozes;
        self
    }

    /// The handler returns this.
    #[must_use]
    pub fn result(mut self, result: &'static str) -> Self {
        self.result = Some(result);
        self
    }

    /// All attempts: the first, and one after each wait that is not a snooze.
    pub fn attempts(&self) -> u32 {
        let waits = u32::try_from(self.waits.len()).unwrap_or(u32::MAX);
        (waits + 1).saturating_sub(self.snoozes)
    }

    /// The longest possible sum of all waits.
    pub fn longest(&self) -> Duration {
        self.waits.iter().map(|wait| wait.max).sum()
    }
}

impl From<Duration> for Wait {
    fn from(delay: Duration) -> Self {
        Self { min: delay, max: delay }
    }
}

impl From<RangeInclusive<Duration>> for Wait {
    fn from(range: RangeInclusive<Duration>) -> Self {
        Self { min: *range.start(), max: *range.end() }
    }
}
