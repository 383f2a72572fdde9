//! [`Attempts`]: one count for each attempt number.

use serde::{Deserialize, Serialize};

/// How often something happened at the 1st attempt, the 2nd, the 3rd...
///
/// Attempts from [`LAST`](Self::LAST) on are counted together, so that the size is bounded for every
/// policy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<u64>")]
pub struct Attempts(Vec<u64>);

impl Attempts {
    /// This attempt and all later ones are counted together.
    pub const LAST: u32 = 20;

    /// Counts one at this attempt, numbered from 1.
    pub fn record(&mut self, attempt: u32) {
        let at = (attempt.clamp(1, Self::LAST) - 1) as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        self.0[at] += 1;
    }

    /// The count of this attempt, numbered from 1.
    pub fn at(&self, attempt: u32) -> u64 {
        let at = attempt.checked_sub(1).and_then(|at| self.0.get(at as usize));
        at.copied().unwrap_or(0)
    }

    /// The count of this attempt and all later ones.
    pub fn from(&self, attempt: u32) -> u64 {
        let from = attempt.saturating_sub(1) as usize;
        self.0.iter().skip(from).fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// The count of all attempts.
    pub fn total(&self) -> u64 {
        self.from(1)
    }

    /// The attempt numbers from 1 with their counts, without zeros at the end.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        (1..).zip(self.0.iter().copied())
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = mine.saturating_add(*theirs);
        }
    }

    pub(super) fn remove(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = mine.saturating_sub(*theirs);
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }
}

/// A report may hold more counts: those beyond the last attempt are added to it.
impl From<Vec<u64>> for Attempts {
    fn from(mut counts: Vec<u64>) -> Self {
        let beyond = counts.split_off(counts.len().min(Self::LAST as usize));
        if let Some(last) = counts.last_mut() {
            *last = beyond.into_iter().fold(*last, u64::saturating_add);
        }
        Self(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_may_say_anything() {
        let long: Attempts = serde_json::from_str(&format!("{:?}", [1; 25])).expect("a list");
        assert_eq!((long.0.len(), long.at(19), long.at(20), long.total()), (20, 1, 6, 25));
        let huge: Attempts =
            serde_json::from_str(&format!("{:?}", [u64::MAX; 25])).expect("a list");
        assert_eq!((huge.total(), huge.from(20)), (u64::MAX, u64::MAX));
        let json = serde_json::to_string(&Attempts(vec![3, 1])).expect("is written");
        assert_eq!(json, "[3,1]");
    }
}
