//! [`Windows`]: what was counted in the last 5 minutes, hour and day.

use std::time::Duration;

use naq_core::Timestamp;
use naq_core::stats::{History, Minute, Totals};

const MINUTES: Duration = Duration::from_secs(5 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Looks from one at what was before the last hour to the next.
const SELDOM: u64 = 10;

/// What was counted in the day before the last hour hardly changes: it is summed up when a minute has
/// passed, and now and then for what was told late; only the hour each time.
#[derive(Debug, Default)]
pub(super) struct Windows {
    earlier: Totals,
    /// The minute that it was summed up in, by the milliseconds after its beginning.
    summed_in: Option<Minute>,
    looks: u64,
}

impl Windows {
    /// The last 5 minutes, hour and day.
    pub(super) fn read(&mut self, history: &History, now: Timestamp) -> [Totals; 3] {
        // The hour leaves a minute behind just after the next one has begun.
        let this = Minute::of(now.saturating_sub(Duration::from_millis(1)));
        if self.summed_in != Some(this) || self.looks.is_multiple_of(SELDOM) {
            self.earlier = history.totals_before(HOUR, DAY, now);
            self.summed_in = Some(this);
        }
        self.looks += 1;
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
    fn the_windows_are_those_of_the_history_at_every_moment() {
        let (mut windows, mut history) = (Windows::default(), History::default());
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
