//! [`DripTimes`]: gives jobs due times at a rate. No job becomes due earlier than before.

use std::time::Duration;

use naq_core::clock::Timestamp;
use serde::{Deserialize, Serialize};

/// The most ranges of taken times. Beyond it the shortest range is dropped. Its intervals then count as
/// free, so they may get more jobs than the rate allows.
const MAX_RANGES: usize = 500;

/// The taken times. The rate divides time into intervals, counted from the start of the batch. Each
/// interval has one job. This is the sorted list of the taken intervals, as ranges: the number of the
/// first interval, and the number after the last. Ranges neither overlap nor touch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct DripTimes(Vec<(u64, u64)>);

impl DripTimes {
    /// Takes the first free interval for a job that is due at `due_at`, and returns its new due
    /// time. All calls must have the same `origin` and `per_second`.
    pub(super) fn take(
        &mut self,
        due_at: Timestamp,
        origin: Timestamp,
        per_second: f64,
    ) -> Timestamp {
        let own = (due_at.since(origin).as_secs_f64() * per_second).floor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let own = own as u64;
        let taken = self.insert(own);
        if taken == own {
            return due_at;
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53 for any real time")]
        let after = Duration::try_from_secs_f64(taken as f64 / per_second);
        due_at.max(origin + after.unwrap_or(Duration::MAX))
    }

    /// Takes the first free interval from `wanted` on.
    fn insert(&mut self, wanted: u64) -> u64 {
        let ranges = &mut self.0;
        // The first range that ends after `wanted`.
        let at = ranges.partition_point(|(_, end)| *end <= wanted);
        let taken = match ranges.get(at) {
            Some((first, end)) if *first <= wanted => *end,
            _ => wanted,
        };
        let at = ranges.partition_point(|(_, end)| *end < taken);
        match ranges.get_mut(at).filter(|(_, end)| *end == taken) {
            Some((_, end)) => *end += 1,
            None => ranges.insert(at, (taken, taken + 1)),
        }
        if ranges.get(at + 1).is_some_and(|(first, _)| *first == taken + 1) {
            ranges[at].1 = ranges.remove(at + 1).1;
        }
        if ranges.len() > MAX_RANGES {
            let shortest = ranges.iter().enumerate().min_by_key(|(_, (first, end))| end - first);
            if let Some((index, _)) = shortest {
                ranges.remove(index);
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> Timestamp = |millis| Timestamp::from_millis(1_000_000 + millis);

    fn dripped(dues: &[u64], per_second: f64) -> Vec<u64> {
        let mut times = DripTimes::default();
        let take = |due: &u64| times.take(AT(*due), AT(0), per_second).since(AT(0));
        dues.iter().map(take).map(|at| u64::try_from(at.as_millis()).expect("short")).collect()
    }

    #[test]
    fn jobs_with_one_due_time_are_spread_from_that_time_on() {
        assert_eq!(dripped(&[60_000; 4], 2.0), [60_000, 60_500, 61_000, 61_500]);
        assert_eq!(dripped(&[0; 3], 0.5), [0, 2_000, 4_000]);
    }

    #[test]
    fn a_job_alone_in_its_interval_keeps_its_time_in_any_order() {
        assert_eq!(dripped(&[9_100, 100, 5_700], 1.0), [9_100, 100, 5_700]);
        // The second job of one interval gets the first free interval.
        assert_eq!(dripped(&[5_000, 6_900, 5_500], 1.0), [5_000, 6_900, 7_000]);
    }

    #[test]
    fn no_job_is_earlier_and_the_rate_holds_in_any_order() {
        let dues: Vec<u64> = (0..3000).map(|n| (n * 7_919) % 30_000).collect();
        let mut times = dripped(&dues, 10.0);
        assert!(times.iter().zip(&dues).all(|(at, due)| at >= due));
        times.sort_unstable();
        // Ten intervals a second; a job that keeps its time may be anywhere in its interval.
        for second in times.windows(12) {
            assert!(second[11] - second[0] >= 1000, "{second:?}");
        }
    }

    #[test]
    fn the_number_of_ranges_is_bounded() {
        let mut times = DripTimes::default();
        for n in 0..5_000 {
            times.take(AT(n * 10_000), AT(0), 1.0);
        }
        assert_eq!(times.0.len(), MAX_RANGES);
    }
}
