//! [`WindowTotals`]: the counts of the last 5 minutes, hour and day.

use std::time::Duration;

use naq_core::Timestamp;
use naq_core::stats::{History, Minute, Totals};

const MINUTES: Duration = Duration::from_secs(5 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The day before the last hour is summed again at every tenth read, for reports that came late.
const SUM_EVERY: u64 = 10;

/// The counts of the day before the last hour hardly change, so they are summed once a minute and at
/// every [`SUM_EVERY`]th read. The counts of the last hour are summed at each read.
#[derive(Debug, Default)]
pub(super) struct WindowTotals {
    earlier: Totals,
    /// The minute in which `earlier` was summed.
    summed_in: Option<Minute>,
    reads: u64,
}

impl WindowTotals {
    /// The counts of the last 5 minutes, hour and day.
    pub(super) fn read(&mut self, history: &History, now: Timestamp) -> [Totals; 3] {
        // The window of an hour drops a minute one millisecond after the next minute starts.
        let this = Minute::of(now.saturating_sub(Duration::from_millis(1)));
        if self.summed_in != Some(this) || self.reads.is_multiple_of(SUM_EVERY) {
            self.earlier = history.totals_before(HOUR, DAY, now);
            self.summed_in = Some(this);
        }
        self.reads += 1;
        let [minutes, hour] = [MINUTES, HOUR].map(|window| history.totals(window, now));
        let mut day = self.earlier.clone();
        day.add(&hour);
        [minutes, hour, day]
    }
}

#[cfg(test)]
mod tests {
    use naq_core::stats::{Counts, StatsReport, TaskStats};
    use naq_core::{QueueName, TaskName, WorkerId};

    use super::*;

    #[test]
    fn the_windows_equal_those_of_the_history_at_all_times() {
        let mut windows = WindowTotals::default();
        let mut history = History::default();
        let start = Minute(30_000_000).start();
        for seconds in (0..3 * 3_600_u64).step_by(7) {
            let now = start + Duration::from_secs(seconds);
            let mut counts = Counts::default();
            (0..=seconds % 60).for_each(|_| counts.completed.record(1));
            let task = TaskName::new("t").expect("a name");
            let tasks = vec![TaskStats { queue: QueueName::default(), task, counts }];
            let report = StatsReport {
                worker: WorkerId::new("w").expect("a name"),
                process: String::new(),
                version: "1".into(),
                minute: Minute::of(now),
                written_at: now,
                tasks,
                errors: Vec::new(),
                other_errors: 0,
            };
            history.apply(report, now);
            let expected = [MINUTES, HOUR, DAY].map(|window| history.totals(window, now));
            assert_eq!(windows.read(&history, now), expected, "after {seconds} s");
        }
    }
}
