//! [`Selection`]: some of the enqueued jobs.

use std::time::Duration;

use naq_core::{Job, RetryPolicy};

use super::enqueued::Enqueued;

/// Some of the enqueued jobs. Each condition leaves the jobs that it fits, and panics when there is
/// none. The message has the conditions and a list of all enqueued jobs.
#[must_use = "the selection may still hold too many jobs: check `times`, or take `only`"]
#[derive(Debug, Clone)]
pub struct Selection<J> {
    found: Vec<Enqueued<J>>,
    asked: String,
    listing: String,
}

impl<J: Job> Selection<J> {
    #[track_caller]
    pub(super) fn new(found: Vec<Enqueued<J>>, listing: String) -> Self {
        let asked = format!("{:?}", J::NAME);
        Self { found, asked, listing }.some()
    }

    #[track_caller]
    fn some(self) -> Self {
        let Self { asked, listing, .. } = &self;
        assert!(!self.found.is_empty(), "no {asked} was enqueued. Enqueued were:\n{listing}");
        self
    }

    /// Keeps the jobs that fit `condition`, which is called `name` in messages.
    ///
    /// # Panics
    /// When none fits. All methods here do, too.
    #[track_caller]
    pub fn that(mut self, name: &str, condition: impl Fn(&Enqueued<J>) -> bool) -> Self {
        self.found.retain(condition);
        self.asked += &format!(" {name}");
        self.some()
    }

    /// Keeps the jobs whose arguments fit.
    #[track_caller]
    pub fn with(self, condition: impl Fn(&J) -> bool) -> Self {
        self.that("with such arguments", |job| condition(&job.args))
    }

    /// Keeps the jobs in this queue.
    #[track_caller]
    pub fn on_queue(self, queue: &str) -> Self {
        self.that(&format!("on queue {queue:?}"), |job| job.envelope.queue.as_str() == queue)
    }

    /// Keeps the jobs with this tag.
    #[track_caller]
    pub fn tagged(self, tag: &str) -> Self {
        self.that(&format!("with tag {tag:?}"), |job| job.envelope.tags.iter().any(|it| it == tag))
    }

    /// Keeps the jobs with exactly this retry policy.
    #[track_caller]
    pub fn policy(self, policy: impl Into<RetryPolicy>) -> Self {
        let policy = policy.into();
        self.that(&format!("with policy {policy}"), |job| job.envelope.policy == policy)
    }

    /// Keeps the jobs that were due this long after their enqueue.
    #[track_caller]
    pub fn due_in(self, wait: Duration) -> Self {
        let name = format!("due in {}", naq_core::retry::BriefDuration(wait));
        self.that(&name, |job| job.due_in() == wait)
    }

    /// Keeps the jobs that were due at once.
    #[track_caller]
    pub fn due_now(self) -> Self {
        self.that("due at once", |job| job.due_in().is_zero())
    }

    /// Keeps the jobs with this unique key.
    #[track_caller]
    pub fn unique(self, key: &str) -> Self {
        let held = |job: &Enqueued<J>| job.envelope.unique.as_ref().is_some_and(|it| it.key == key);
        self.that(&format!("with unique key {key:?}"), held)
    }

    /// Asserts that there are this many.
    ///
    /// # Panics
    /// When there are fewer or more.
    #[track_caller]
    pub fn times(self, times: usize) -> Vec<Enqueued<J>> {
        let Self { found, asked, listing } = self;
        let count = found.len();
        assert!(count == times, "{count} of {asked}, not {times}. Enqueued were:\n{listing}");
        found
    }

    /// Asserts that there is one, and returns it.
    ///
    /// # Panics
    /// When there are more.
    #[track_caller]
    pub fn only(self) -> Enqueued<J> {
        self.times(1).swap_remove(0)
    }
}
