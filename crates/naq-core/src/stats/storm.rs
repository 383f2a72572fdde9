//! [`storms`]: tasks whose starts are mostly retries, or soon will be.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::{Counts, History};
use crate::clock::Timestamp;
use crate::names::{QueueName, TaskName};

/// The thresholds for a storm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StormRules {
    /// How far back starts count; 5 minutes by default.
    pub window: Duration,
    /// A task with fewer starts in the window is not in a storm; 50 by default.
    pub min_starts: u64,
    /// The share of starts that are retries, from 0 to 1, at which a storm begins; 0.5 by default.
    pub retry_share: f64,
    /// A task also is in a storm if at least this many of its retries are due in the next minute, and
    /// at least three times the starts per minute in the window; 500 by default.
    pub due_next_minute: u64,
}

impl Default for StormRules {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(5 * 60),
            min_starts: 50,
            retry_share: 0.5,
            due_next_minute: 500,
        }
    }
}

/// A task whose starts are mostly retries, or soon will be.
#[derive(Debug, Clone, PartialEq)]
pub struct Storm {
    /// The queue.
    pub queue: QueueName,
    /// The task.
    pub task: TaskName,
    /// The number of starts in the window.
    pub starts: u64,
    /// The share of those that were retries, from 0 to 1.
    pub retry_share: f64,
    /// How many retries are due in the next minute.
    pub due_next_minute: u64,
    /// How many retries are due in the next hour.
    pub due_next_hour: u64,
}

/// The tasks that are in a storm or soon will be, those with the most retries first.
pub fn storms(history: &History, rules: &StormRules, now: Timestamp) -> Vec<Storm> {
    let totals = history.totals(rules.window, now);
    let last_minute = history.totals(Duration::from_secs(60), now);
    let minutes = (rules.window.as_secs() / 60).max(1);
    let [minute, hour] = [60, 3_600].map(|s| history.due_by_task(Duration::from_secs(s), now));
    // A task whose retries wait longer than the window has no starts in it.
    let idle = Counts::default();
    let mut tasks: BTreeMap<_, _> = minute.keys().map(|key| (key, &idle)).collect();
    tasks.extend(&totals.tasks);
    let storm = |(key, counts): (&(QueueName, TaskName), &Counts)| {
        let starts = counts.starts.total();
        let share = counts.retry_share().unwrap_or(0.0);
        let due = |tasks: &BTreeMap<_, u64>| tasks.get(key).copied().unwrap_or(0);
        let soon = due(&minute);
        // A storm that is over is still in the window.
        let has_recent_retries =
            last_minute.tasks.get(key).is_some_and(|task| task.retry_starts() > 0);
        let continues = has_recent_retries || due(&hour) > 0;
        let is_storm_now = continues && starts >= rules.min_starts && share >= rules.retry_share;
        let is_storm_soon = soon >= rules.due_next_minute && soon >= 3 * (starts / minutes);
        (is_storm_now || is_storm_soon).then(|| Storm {
            queue: key.0.clone(),
            task: key.1.clone(),
            starts,
            retry_share: share,
            due_next_minute: soon,
            due_next_hour: due(&hour),
        })
    };
    let mut storms: Vec<_> = tasks.into_iter().filter_map(storm).collect();
    let retries = |storm: &Storm| storm.starts as f64 * storm.retry_share;
    storms.sort_by(|a, b| {
        retries(b).total_cmp(&retries(a)).then(b.due_next_minute.cmp(&a.due_next_minute))
    });
    storms
}

impl fmt::Display for Storm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, task, due_next_minute, due_next_hour, .. } = self;
        match self.starts {
            0 => write!(f, "{task} in {queue} was not started of late; of its retries ")?,
            _ => {
                let share = self.retry_share * 100.0;
                write!(f, "{share:.0} % of the starts of {task} in {queue} are retries; ")?;
            }
        }
        write!(f, "{due_next_minute} come due in the next minute, {due_next_hour} in the next hour")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::WorkerId;
    use crate::stats::{Minute, StatsReport, TaskStats};

    #[test]
    fn a_storm_is_over_when_its_last_retry_is() {
        let at = Minute(30_000_000).start() + Duration::from_millis(50_000);
        let mut counts = Counts::default();
        (0..60).for_each(|_| counts.starts.record(2));
        let (queue, task) = (QueueName::default(), TaskName::new("t").expect("a name"));
        let report = StatsReport {
            worker: WorkerId::new("w1").expect("a name"),
            process: String::new(),
            minute: Minute::of(at),
            written_at: at,
            version: "1".into(),
            tasks: vec![TaskStats { queue, task, counts }],
            errors: Vec::new(),
            other_errors: 0,
        };
        let mut history = History::default();
        history.apply(report, at);
        let storms_at = |now| storms(&history, &StormRules::default(), now).len();
        assert_eq!(storms_at(at), 1);
        assert_eq!(storms_at(at + Duration::from_secs(180)), 0);
    }

    #[test]
    fn retries_that_wait_for_longer_than_the_window_are_seen_coming() {
        let now = Minute(30_000_000).start() + Duration::from_millis(50_000);
        let told_at = now.saturating_sub(Duration::from_secs(20 * 60));
        let mut counts = Counts::default();
        counts.due.insert(now.as_millis() / Counts::DUE_SLOT_MS + 2, 600);
        counts.due.insert(now.as_millis() / Counts::DUE_SLOT_MS + 60, 50);
        let (queue, task) = (QueueName::default(), TaskName::new("t").expect("a name"));
        let report = StatsReport {
            worker: WorkerId::new("w1").expect("a name"),
            process: String::new(),
            minute: Minute::of(told_at),
            written_at: told_at,
            version: "1".into(),
            tasks: vec![TaskStats { queue: queue.clone(), task: task.clone(), counts }],
            errors: Vec::new(),
            other_errors: 0,
        };
        let mut history = History::default();
        history.apply(report, now);
        let storm = Storm {
            queue,
            task,
            starts: 0,
            retry_share: 0.0,
            due_next_minute: 600,
            due_next_hour: 650,
        };
        let words = "t in default was not started of late; of its retries 600 come due in the next \
                     minute, 650 in the next hour";
        assert_eq!(storm.to_string(), words);
        assert_eq!(storms(&history, &StormRules::default(), now), [storm]);
    }
}
