//! [`Totals`]: a stretch of time, summed up.

use std::collections::BTreeMap;

use super::Counts;
use crate::names::{QueueName, TaskName};

/// What all workers have counted in a stretch of time, by queue and task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    pub(super) tasks: BTreeMap<(QueueName, TaskName), Counts>,
}

impl Totals {
    /// Queue, task and numbers, sorted by both names.
    pub fn tasks(&self) -> impl Iterator<Item = (&QueueName, &TaskName, &Counts)> + '_ {
        self.tasks.iter().map(|((queue, task), counts)| (queue, task, counts))
    }

    /// Adds what was counted in another stretch.
    pub fn add(&mut self, other: &Self) {
        for (key, counts) in &other.tasks {
            self.tasks.entry(key.clone()).or_default().add(counts);
        }
    }

    /// All tasks together.
    pub fn all(&self) -> Counts {
        self.sum(|_, _| true)
    }

    /// All tasks of a queue together.
    pub fn queue(&self, queue: &QueueName) -> Counts {
        self.sum(|of, _| of == queue)
    }

    /// A task in all queues together.
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
