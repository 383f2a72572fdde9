//! [`Histogram`]: durations in fixed buckets, so that the histograms of all workers can be added up.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

/// The upper bounds of the buckets, in milliseconds. One more bucket has the longer durations. Each bound
/// is about two to five times the one before.
pub const BOUNDS_MS: [u64; 17] = [
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000,
    1_800_000,
];

/// Durations, counted in buckets.
///
/// ```
/// use std::time::Duration;
/// use naq_core::stats::Histogram;
///
/// let mut took = Histogram::default();
/// for millis in [3, 4, 40] {
///     took.record(Duration::from_millis(millis));
/// }
/// assert_eq!(took.count(), 3);
/// assert_eq!(took.quantile(0.99), Some(Duration::from_millis(50)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Histogram {
    /// One count a bucket, without zeros at the end.
    #[serde(
        rename = "n",
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "read_buckets"
    )]
    buckets: Vec<u64>,
    /// The sum of all durations, in milliseconds.
    #[serde(rename = "ms", default)]
    sum_ms: u64,
}

impl Histogram {
    /// Adds one duration.
    pub fn record(&mut self, took: Duration) {
        let ms = crate::clock::millis(took);
        // Rounded up: 1.5 ms does not fit into the bucket up to 1 ms.
        let at_least = if Duration::from_millis(ms) < took { ms.saturating_add(1) } else { ms };
        let bucket = BOUNDS_MS.iter().position(|bound| at_least <= *bound);
        let bucket = bucket.unwrap_or(BOUNDS_MS.len());
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.sum_ms = self.sum_ms.saturating_add(ms);
    }

    /// Adds the counts of another histogram.
    pub fn add(&mut self, other: &Self) {
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine = mine.saturating_add(*theirs);
        }
        self.sum_ms = self.sum_ms.saturating_add(other.sum_ms);
    }

    /// Subtracts counts that were added before.
    pub fn remove(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine = mine.saturating_sub(*theirs);
        }
        while self.buckets.last() == Some(&0) {
            self.buckets.pop();
        }
        self.sum_ms = self.sum_ms.saturating_sub(other.sum_ms);
    }

    /// The number of durations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// The sum of the durations.
    pub fn sum(&self) -> Duration {
        Duration::from_millis(self.sum_ms)
    }

    /// The mean duration. `None` if there are none.
    pub fn mean(&self) -> Option<Duration> {
        self.sum_ms.checked_div(self.count()).map(Duration::from_millis)
    }

    /// The upper bound of the bucket that has this quantile; `share` is from 0 to 1. If that bucket has
    /// no upper bound, the last bound. `None` if there are no durations.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        // Exact up to 2^53 durations.
        let rank = ((count as f64 * share).ceil() as u64).clamp(1, count.max(1));
        let mut below = 0_u64;
        let bucket = self.buckets.iter().position(|n| {
            below = below.saturating_add(*n);
            below >= rank
        })?;
        let bound = BOUNDS_MS.get(bucket).or(BOUNDS_MS.last())?;
        Some(Duration::from_millis(*bound))
    }

    /// The buckets: upper bound in milliseconds (`None` for the last bucket) and count.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        (0..=BOUNDS_MS.len())
            .map(|i| (BOUNDS_MS.get(i).copied(), self.buckets.get(i).copied().unwrap_or(0)))
    }

    /// Whether there are no durations.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }
}

/// Drops buckets that this version does not have, because a report may hold anything.
fn read_buckets<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u64>, D::Error> {
    let mut buckets = Vec::deserialize(d)?;
    buckets.truncate(BOUNDS_MS.len() + 1);
    Ok(buckets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_may_say_anything() {
        let json = format!(r#"{{"n":{:?},"ms":1}}"#, [u64::MAX; 100]);
        let read: Histogram = serde_json::from_str(&json).expect("a histogram");
        assert_eq!((read.buckets.len(), read.count()), (BOUNDS_MS.len() + 1, u64::MAX));
        assert_eq!(read.quantile(0.5), Some(Duration::from_millis(1)));
    }

    fn of(millis: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        millis.iter().for_each(|ms| histogram.record(Duration::from_millis(*ms)));
        histogram
    }

    #[test]
    fn what_is_added_can_be_removed() {
        let (a, b) = (of(&[1, 7, 900]), of(&[2, 7, 10_000_000]));
        let mut both = a.clone();
        both.add(&b);
        assert_eq!(both.count(), 6);
        both.remove(&b);
        assert_eq!(both, a);
        both.remove(&a);
        assert_eq!(both, Histogram::default());
    }

    #[test]
    fn a_quantile_is_the_bound_of_its_bucket() {
        let ms = |h: &Histogram, q| h.quantile(q).map(|d| d.as_millis());
        assert_eq!(ms(&Histogram::default(), 0.5), None);
        assert_eq!(ms(&of(&[0, 0, 400]), 0.5), Some(1));
        assert_eq!(ms(&of(&[0, 0, 400]), 0.99), Some(500));
        assert_eq!(ms(&of(&[u64::MAX]), 0.5), Some(1_800_000));
        let mut longer = Histogram::default();
        longer.record(Duration::from_micros(1_500));
        assert_eq!(ms(&longer, 1.0), Some(2));
    }
}
