//! [`Prefetch`]: how many jobs to fetch beyond the free slots. None for jobs that take long. A few
//! hundred for jobs that take microseconds: otherwise most of the time would go into round trips.

use std::time::Duration;

use naq_core::Timestamp;

/// The jobs that are read ahead keep the slots busy this long: longer than a round trip, much
/// shorter than a lease.
const PREFETCH_TIME: Duration = Duration::from_millis(50);
/// The largest number of jobs to read ahead, so that other workers get their share of a short
/// backlog.
const MAX_PREFETCH: usize = 500;
/// A shorter span cannot be measured with a clock of milliseconds.
const MIN_SPAN: Duration = Duration::from_millis(10);

/// The rate at which the worker finishes jobs.
#[derive(Debug)]
pub(crate) struct Prefetch {
    since: Timestamp,
    finished: u64,
    per_second: f64,
}

impl Prefetch {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { since: now, finished: 0, per_second: 0.0 }
    }

    /// How many jobs to read ahead. `finished` counts all jobs since the worker started.
    pub(crate) fn extra_jobs(&mut self, finished: u64, now: Timestamp) -> usize {
        let span = now.since(self.since);
        if span >= MIN_SPAN {
            let count = finished.saturating_sub(self.finished);
            let rate = count as f64 / span.as_secs_f64();
            self.per_second = (self.per_second + rate) / 2.0;
            (self.since, self.finished) = (now, finished);
        }
        ((self.per_second * PREFETCH_TIME.as_secs_f64()) as usize).min(MAX_PREFETCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_jobs_are_not_read_ahead_and_fast_ones_are() {
        let mut now = Timestamp::from_millis(0);
        let mut slow = Prefetch::new(now);
        let mut fast = Prefetch::new(now);
        for n in 1..=20 {
            now = now + Duration::from_millis(100);
            slow.extra_jobs(n, now);
            fast.extra_jobs(n * 2000, now);
        }
        assert_eq!(slow.extra_jobs(20, now), 0);
        assert!((450..=500).contains(&fast.extra_jobs(40_000, now)));
        // After an idle hour it is close to none.
        assert_eq!(fast.extra_jobs(40_000, now + Duration::from_secs(3600)) / 600, 0);
    }
}
