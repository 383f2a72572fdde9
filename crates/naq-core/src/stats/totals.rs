//! [`Totals`]: the counts of some time, by queue and task.

use std::collections::BTreeMap;

use super::Counts;
use crate::names::{QueueName, TaskName};

/// The counts of all workers over some time, by queue and task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    pub(super) tasks: BTreeMap<(QueueName, TaskName), Counts>,
}

impl Totals {
    /// Queue, task and counts, sorted by queue and task.
    pub fn tasks(&self) -> impl Iterator<Item = (&QueueName, &TaskName, &Counts)> + '_ {
        self.tasks.iter().map(|((queue, task), counts)| (queue, task, counts))
    }

    /// Adds the counts of another time.
    pub fn add(&mut self, other: &Self) {
        for (key, counts) in &other.tasks {
            self.tasks.entry(key.clone()).or_default().add(counts);
        }
    }

    /// The counts of all tasks together.
    pub fn all(&self) -> Counts {
        self.sum(|_, _| true)
    }

    /// The counts of all tasks of a queue together.
    pub fn queue(&self, queue: &QueueName) -> Counts {
        self.sum(|of, _| of == queue)
    }

    /// The counts of a task in all queues together.
    pub fn task(&self, task: &TaskName) -> Counts {
        self.sum(|_, of| of == task)
    }

    fn sum(&self, fits: impl Fn(&QueueName, &TaskName) -> bool) -> Counts {
        let mut sum = Counts::default();
        let wanted = self.tasks().filter(|(queue, task, _)| fits(queue, task));
        wanted.for_each(|(_, _, counts)| sum.add(counts));
        sum
    }
}
