//! [`Helped`]: whether retries help.

use std::fmt;

use super::Counts;

/// How the jobs of a period ended: at which attempt they succeeded, and how many died.
///
/// Retries have saved a job that fails and then succeeds. They have not saved a job that dies. Jobs that
/// have not ended are not counted.
///
/// ```
/// use naq_core::stats::{Counts, Helped};
///
/// let mut counts = Counts::default();
/// (0..900).for_each(|_| counts.completed.record(1));
/// (0..80).for_each(|_| counts.completed.record(2));
/// (0..10).for_each(|_| counts.completed.record(3));
/// (0..10).for_each(|_| counts.dead.record(4));
/// let helped = Helped::of(&counts);
/// assert_eq!(helped.to_string(), "retries saved 90.0 % of 100 failures; attempts from the 3rd on saved 10.0 %");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helped {
    /// How many jobs succeeded at their first attempt.
    pub first_try: u64,
    /// How many jobs succeeded at each later attempt, by attempt number from 2, without gaps.
    pub later: Vec<(u32, u64)>,
    /// How many jobs died.
    pub dead: u64,
}

/// The text of [`Helped`] says which share of the failed jobs the attempts from this one on saved.
const FIRST_LATE: u32 = 4;

impl Helped {
    /// Computed from the counts of one task or of all tasks.
    pub fn of(counts: &Counts) -> Self {
        Self {
            first_try: counts.completed.at(1),
            later: counts.completed.iter().skip(1).collect(),
            dead: counts.dead.total(),
        }
    }

    /// How many jobs failed at least once and have ended.
    pub fn failures(&self) -> u64 {
        self.saved() + self.dead
    }

    /// How many of those succeeded.
    pub fn saved(&self) -> u64 {
        self.saved_from(2)
    }

    /// How many succeeded at this attempt or a later one.
    pub fn saved_from(&self, attempt: u32) -> u64 {
        self.later.iter().filter(|(at, _)| *at >= attempt).map(|(_, n)| n).sum()
    }

    /// How many jobs completed or died.
    pub fn ended(&self) -> u64 {
        self.first_try + self.failures()
    }

    /// The share of the failed jobs that this attempt and later ones have saved, from 0 to 1. `None` if
    /// no job failed.
    pub fn share_from(&self, attempt: u32) -> Option<f64> {
        let failures = self.failures();
        (failures > 0).then(|| self.saved_from(attempt) as f64 / failures as f64)
    }

    /// The share of the ended jobs that succeeded within this number of attempts, from 0 to 1. `None` if
    /// no job has ended.
    pub fn chance_within(&self, attempts: u32) -> Option<f64> {
        let ended = self.ended();
        let late = self.saved_from(attempts.saturating_add(1).max(2));
        let first = if attempts == 0 { 0 } else { self.first_try };
        let saved = if attempts == 0 { 0 } else { self.saved() - late };
        (ended > 0).then(|| (first + saved) as f64 / ended as f64)
    }
}

impl fmt::Display for Helped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(saved) = self.share_from(2) else {
            return match self.first_try {
                0 => f.write_str("nothing has ended yet"),
                _ => f.write_str("nothing failed: every job succeeded at its first attempt"),
            };
        };
        let plural = if self.failures() == 1 { "" } else { "s" };
        let failures = grouped(self.failures());
        write!(f, "retries saved {:.1} % of {failures} failure{plural}", saved * 100.0)?;
        // The last attempt that saved jobs, but at most the 4th.
        let last = self.later.last().map_or(1, |(at, _)| *at);
        let late = FIRST_LATE.min(last);
        match self.share_from(late) {
            Some(share) if late > 2 => {
                write!(f, "; attempts from the {} on saved {:.1} %", ordinal(late), share * 100.0)
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn ordinal(n: u32) -> String {
    match n {
        2 => "2nd".to_owned(),
        3 => "3rd".to_owned(),
        n => format!("{n}th"),
    }
}

/// The number with commas between thousands: `1,260`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_of_the_issue() {
        let helped = Helped {
            first_try: 10_000,
            later: vec![(2, 1_000), (3, 200), (4, 3), (5, 1)],
            dead: 56,
        };
        assert_eq!(
            helped.to_string(),
            "retries saved 95.6 % of 1,260 failures; attempts from the 4th on saved 0.3 %"
        );
        let within = |attempts| helped.chance_within(attempts).map(|c| (c * 11_260.0).round());
        assert_eq!([0, 1, 2, 9].map(within), [0.0, 10_000.0, 11_000.0, 11_204.0].map(Some));
    }

    #[test]
    fn a_period_without_ended_jobs_or_failures_is_described() {
        let nothing = Helped { first_try: 0, later: vec![], dead: 0 };
        assert_eq!(nothing.to_string(), "nothing has ended yet");
        assert_eq!(nothing.chance_within(3), None);
        let fine = Helped { first_try: 7, ..nothing.clone() };
        assert!(fine.to_string().starts_with("nothing failed"), "{fine}");
        let lost = Helped { dead: 1, ..nothing };
        assert_eq!(lost.to_string(), "retries saved 0.0 % of 1 failure");
    }
}
