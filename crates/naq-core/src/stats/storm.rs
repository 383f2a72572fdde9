//! [`storms`]: tasks that do little but retry.

use std::fmt;
use std::time::Duration;

use super::{Counts, History};
use crate::clock::Timestamp;
use crate::names::{QueueName, TaskName};

/// From when on it is a storm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StormRules {
    /// How far back to look. 5 minutes by default.
    pub window: Duration,
    /// Fewer starts than this in the window are no storm, whatever their share. 50 by default.
    pub min_starts: u64,
    /// The share of starts that are retries, 0 to 1, from which it is one. 0.5 by default.
    pub retry_share: f64,
    /// As many retries due in the next minute are one, whatever their share, when they are three
    /// times as many as were started in a minute of the window. 500 by default.
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

/// A task whose retries crowd out everything else, or are about to.
#[derive(Debug, Clone, PartialEq)]
pub struct Storm {
    /// The queue.
    pub queue: QueueName,
    /// The task.
    pub task: TaskName,
    /// Starts in the window.
    pub starts: u64,
    /// Of those, retries: a share, 0 to 1.
    pub retry_share: f64,
    /// Retries due in the next minute.
    pub due_next_minute: u64,
    /// Retries due in the next hour.
    pub due_next_hour: u64,
}

/// The tasks in a storm now, those with the most retries first.
pub fn storms(history: &History, rules: &StormRules, now: Timestamp) -> Vec<Storm> {
    let totals = history.totals(rules.window, now);
    let minutes = (rules.window.as_secs() / 60).max(1);
    let storm = |(queue, task, counts): (&QueueName, &TaskName, &Counts)| {
        let starts = counts.starts.total();
        let share = counts.retry_share().unwrap_or(0.0);
        let due = |ahead| -> u64 {
            let due = history.due(Some(queue), Some(task), Duration::from_secs(ahead), now);
            due.iter().map(|(_, n)| n).sum()
        };
        let soon = due(60);
        let crowded = starts >= rules.min_starts && share >= rules.retry_share;
        let ahead = soon >= rules.due_next_minute && soon >= 3 * (starts / minutes);
        (crowded || ahead).then(|| Storm {
            queue: queue.clone(),
            task: task.clone(),
            starts,
            retry_share: share,
            due_next_minute: soon,
            due_next_hour: due(3_600),
        })
    };
    let mut storms: Vec<_> = totals.tasks().filter_map(storm).collect();
    let retries = |storm: &Storm| storm.starts as f64 * storm.retry_share;
    storms.sort_by(|a, b| retries(b).total_cmp(&retries(a)));
    storms
}

impl fmt::Display for Storm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, task, due_next_minute, due_next_hour, .. } = self;
        let share = self.retry_share * 100.0;
        write!(f, "{share:.0} % of the starts of {task} in {queue} are retries; ")?;
        write!(f, "{due_next_minute} come due in the next minute, {due_next_hour} in the next hour")
    }
}
