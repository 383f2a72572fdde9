//! What holds jobs, from what the snapshot has.

use naq_client::{Hold, HoldFacts, JobReport, find_holds, hold_of, idle_breakers};
use naq_core::transport::{JobSummary, JobsPage, QueueInfo};
use naq_core::{QueueName, Timestamp};

use super::Snapshot;

impl Snapshot {
    fn hold_facts<'a>(
        &'a self,
        queue: &'a QueueInfo,
        waiting: &'a [JobSummary],
        has_more: bool,
        now: Timestamp,
    ) -> HoldFacts<'a> {
        let (workers, pauses) = (&*self.workers, &*self.paused_tasks);
        let breakers = &*self.hold_cache.breakers;
        HoldFacts { queue, workers, breakers, pauses, waiting, has_more, now }
    }

    /// What holds jobs in any queue, and the breakers that are not closed.
    pub(super) fn find_all_holds(&self, now: Timestamp) -> Vec<Hold> {
        let none = JobsPage::default();
        let mut holds: Vec<Hold> = Vec::new();
        for queue in &self.queues {
            let page = self.hold_cache.waiting.get(&queue.name).unwrap_or(&none);
            let facts = self.hold_facts(queue, &page.jobs, page.next.is_some(), now);
            holds.extend(find_holds(&facts));
        }
        let idle = idle_breakers(&self.hold_cache.breakers, &holds, now);
        holds.extend(idle);
        holds.sort_by_key(|hold| (hold.cause, std::cmp::Reverse(hold.jobs)));
        holds
    }

    /// What holds the jobs of this queue.
    pub(crate) fn holds_of<'a>(&'a self, queue: &'a QueueName) -> impl Iterator<Item = &'a Hold> {
        self.holds.iter().filter(move |hold| hold.queue.as_ref() == Some(queue))
    }

    /// What holds this job, with the number of jobs that the same thing holds, if that was read.
    pub(crate) fn hold_of(&self, job: &JobReport, now: Timestamp) -> Option<Hold> {
        let queue = self.queues.iter().find(|queue| queue.name == job.key.queue)?;
        let summary = JobSummary::of(&job.stored);
        if job.state.is_final() {
            return None;
        }
        let mut holds =
            find_holds(&self.hold_facts(queue, std::slice::from_ref(&summary), true, now));
        holds.extend(idle_breakers(&self.hold_cache.breakers, &holds, now));
        let hold = hold_of(&summary, &holds)?;
        let is_same = |it: &&Hold| (it.cause, &it.name) == (hold.cause, &hold.name);
        Some(self.holds_of(&job.key.queue).find(is_same).unwrap_or(hold).clone())
    }
}
