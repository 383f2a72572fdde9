//! [`FewerRetries`]: a lower `max_retries` for a task whose last attempts save almost no jobs.

use std::fmt;

use super::helped::{grouped, ordinal};
use super::{Attempts, Counts, Helped};

/// With fewer failures than this there is no advice.
const MIN_FAILURES: u64 = 100;
/// Attempts that save at most this share of the failed jobs, from 0 to 1, are not worth their cost.
const USELESS_SHARE: f64 = 0.01;

/// A lower `max_retries` for a task, and what it would have changed in the observed time.
///
/// ```
/// use naq_core::stats::{Counts, FewerRetries};
///
/// let mut counts = Counts::default();
/// (0..300).for_each(|_| counts.completed.record(2));
/// (0..100).for_each(|_| counts.dead.record(5));
/// for attempt in [3, 4, 5] {
///     (0..100).for_each(|_| counts.starts.record(attempt));
/// }
/// let advice = FewerRetries::of(&counts).expect("attempts that save nothing");
/// assert_eq!((advice.max_retries, advice.lost, advice.spared), (1, 0, 300));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct FewerRetries {
    /// The number of retries that would have been enough.
    pub max_retries: u32,
    /// How many more jobs would have died.
    pub lost: u64,
    /// How many jobs failed at least once and have ended.
    pub failures: u64,
    /// How many attempts the task would have made less.
    pub spared: u64,
}

impl FewerRetries {
    /// The advice for a task with these counts. Finds the first attempt from which on all attempts
    /// together saved at most one failed job in a hundred, and advises against these attempts. `None` if
    /// there is no such attempt, or if fewer than 100 jobs failed. Attempts from [`Attempts::LAST`] on count as one.
    pub fn of(counts: &Counts) -> Option<Self> {
        let helped = Helped::of(counts);
        let failures = helped.failures();
        let from = (2..=Attempts::LAST).find(|attempt| {
            helped.share_from(*attempt).is_some_and(|share| share <= USELESS_SHARE)
        })?;
        let spared = counts.starts.from(from);
        (failures >= MIN_FAILURES && spared > 0).then(|| Self {
            max_retries: from - 2,
            lost: helped.saved_from(from),
            failures,
            spared,
        })
    }

    /// The first attempt that the task would not have made.
    pub fn first_spared(&self) -> u32 {
        self.max_retries + 2
    }

    /// The share of the failed jobs that would have died in addition, from 0 to 1.
    pub fn share(&self) -> f64 {
        self.lost as f64 / self.failures.max(1) as f64
    }
}

impl fmt::Display for FewerRetries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max_retries, lost, failures, spared } = self;
        let plural = |n: u64| if n == 1 { "" } else { "s" };
        write!(f, "attempts from the {} on saved ", ordinal(self.first_spared()))?;
        match lost {
            0 => f.write_str("nothing")?,
            _ => write!(f, "{:.1} %", self.share() * 100.0)?,
        }
        write!(f, ": max_retries {max_retries} would lose ")?;
        match lost {
            0 => write!(f, "none of {}", grouped(*failures))?,
            _ => write!(f, "{} job{} of {}", grouped(*lost), plural(*lost), grouped(*failures))?,
        }
        write!(f, " and spare {} attempt{}", grouped(*spared), plural(*spared))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Completed, dead and started by attempt, from the 1st.
    fn counts(completed: &[u64], dead: &[u64], starts: &[u64]) -> Counts {
        let of = |numbers: &[u64]| {
            let mut attempts = Attempts::default();
            for (attempt, n) in (1..).zip(numbers) {
                (0..*n).for_each(|_| attempts.record(attempt));
            }
            attempts
        };
        Counts { completed: of(completed), dead: of(dead), starts: of(starts), ..Counts::default() }
    }

    #[test]
    fn late_attempts_that_save_almost_no_jobs_give_advice() {
        let counts =
            counts(&[10_000, 1_000, 200, 3, 1], &[0, 0, 0, 0, 56], &[11_260, 1_260, 260, 60, 57]);
        let advice = FewerRetries::of(&counts).expect("advice");
        assert_eq!(
            advice.to_string(),
            "attempts from the 4th on saved 0.3 %: max_retries 2 would lose 4 jobs of 1,260 and \
             spare 117 attempts"
        );
    }

    #[test]
    fn retries_that_never_help_give_advice() {
        let counts = counts(&[900], &[0, 0, 120], &[1_020, 120, 120]);
        let advice = FewerRetries::of(&counts).expect("advice");
        assert_eq!(
            advice.to_string(),
            "attempts from the 2nd on saved nothing: max_retries 0 would lose none of 120 and spare \
             240 attempts"
        );
    }

    #[test]
    fn useful_attempts_or_few_failures_give_no_advice() {
        let every = counts(&[0, 100, 50, 25], &[0, 0, 0, 25], &[200, 200, 100, 50]);
        assert_eq!(FewerRetries::of(&every), None);
        let few = counts(&[900], &[0, 0, 99], &[999, 99, 99]);
        assert_eq!(FewerRetries::of(&few), None);
        // The policy already allows no such attempts.
        let none = counts(&[0, 200], &[0, 20], &[220, 220]);
        assert_eq!(FewerRetries::of(&none), None);
        assert_eq!(FewerRetries::of(&Counts::default()), None);
    }
}
