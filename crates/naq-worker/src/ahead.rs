//! How many jobs to fetch beyond the free slots: none where jobs take a while, a few hundred where
//! they take microseconds and a round trip for each would be all the work.

use std::time::Duration;

use naq_core::Timestamp;

/// What is read ahead is worth this much time: long against a round trip, short against a lease.
const WORTH: Duration = Duration::from_millis(50);
/// The most that is read ahead, so that other workers get their share of a short backlog.
const MOST: usize = 500;
/// Shorter spans measure nothing on a clock of milliseconds.
const SPAN: Duration = Duration::from_millis(10);

/// The rate at which the worker finishes jobs.
#[derive(Debug)]
pub(crate) struct Ahead {
    since: Timestamp,
    finished: u64,
    per_second: f64,
}

impl Ahead {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { since: now, finished: 0, per_second: 0.0 }
    }

    /// How many to read ahead, now that `finished` jobs are done in all.
    pub(crate) fn jobs(&mut self, finished: u64, now: Timestamp) -> usize {
        let span = now.since(self.since);
        if span >= SPAN {
            let count = finished.saturating_sub(self.finished);
            let rate = count as f64 / span.as_secs_f64();
            self.per_second = (self.per_second + rate) / 2.0;
            (self.since, self.finished) = (now, finished);
        }
        ((self.per_second * WORTH.as_secs_f64()) as usize).min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_jobs_are_not_read_ahead_and_fast_ones_are() {
        let mut now = Timestamp::from_millis(0);
        let mut slow = Ahead::new(now);
        let mut fast = Ahead::new(now);
        for n in 1..=20 {
            now = now + Duration::from_millis(100);
            slow.jobs(n, now);
            fast.jobs(n * 2000, now);
        }
        assert_eq!(slow.jobs(20, now), 0);
        assert!((450..=500).contains(&fast.jobs(40_000, now)));
        // An idle hour later nothing is left of it.
        assert_eq!(fast.jobs(40_000, now + Duration::from_secs(3600)) / 600, 0);
    }
}
