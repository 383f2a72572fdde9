//! [`Histogram`]: how long something took, in fixed buckets, so that the reports of any number of
//! workers add up.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

/// The upper bounds of the buckets, in milliseconds; one more bucket holds what is longer. From a
/// handler that does nothing to half an hour, in steps of about 2 to 3.
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
    /// All durations together, in milliseconds.
    #[serde(rename = "ms", default)]
    sum_ms: u64,
}

impl Histogram {
    /// Adds one duration.
    pub fn record(&mut self, took: Duration) {
        let ms = crate::clock::millis(took);
        // A millisecond and a half is longer than one.
        let at_least = if Duration::from_millis(ms) < took { ms.saturating_add(1) } else { ms };
        let bucket = BOUNDS_MS.iter().position(|bound| at_least <= *bound);
        let bucket = bucket.unwrap_or(BOUNDS_MS.len());
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.sum_ms = self.sum_ms.saturating_add(ms);
    }

    /// Adds what another has counted.
    pub fn add(&mut self, other: &Self) {
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine = mine.saturating_add(*theirs);
        }
        self.sum_ms = self.sum_ms.saturating_add(other.sum_ms);
    }

    /// Takes away what was added before.
    pub fn remove(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine = mine.saturating_sub(*theirs);
        }
        while self.buckets.last() == Some(&0) {
            self.buckets.pop();
        }
        self.sum_ms = self.sum_ms.saturating_sub(other.sum_ms);
    }

    /// How many durations there are.
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        Duration::from_millis(self.sum_ms)
    }

    /// The mean; none when there are none.
    pub fn mean(&self) -> Option<Duration> {
        self.sum_ms.checked_div(self.count()).map(Duration::from_millis)
    }

    /// The bound that this share of the durations (0 to 1) stays within: the upper end of the bucket
    /// that holds it, and for what is longer than every bound the last one. None when there are none.
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

    /// The buckets as they are: bound in milliseconds (none for the last, which has none) and count.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        (0..=BOUNDS_MS.len())
            .map(|i| (BOUNDS_MS.get(i).copied(), self.buckets.get(i).copied().unwrap_or(0)))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }
}

/// A report may say anything: there are no more buckets than these.
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
