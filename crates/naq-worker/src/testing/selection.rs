//! [`Selection`]: which of the enqueued jobs a test means.

use std::time::Duration;

use naq_core::{Job, RetryPolicy};

use super::enqueued::Enqueued;

/// The enqueued jobs that were asked for so far. Each further question leaves those that it fits,
/// and panics when there is none: the message says what was asked, and lists what was enqueued.
#[must_use = "the last question may still leave too many: ask `times`, or take `only`"]
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

    /// Those that fit `question`, which is called `name` in messages.
    ///
    /// # Panics
    /// When there is none. All others here do, too.
    #[track_caller]
    pub fn that(mut self, name: &str, question: impl Fn(&Enqueued<J>) -> bool) -> Self {
        self.found.retain(question);
        self.asked += &format!(" {name}");
        self.some()
    }

    /// Those whose arguments fit.
    #[track_caller]
    pub fn with(self, question: impl Fn(&J) -> bool) -> Self {
        self.that("with such arguments", |job| question(&job.args))
    }

    /// Those in this queue.
    #[track_caller]
    pub fn on_queue(self, queue: &str) -> Self {
        self.that(&format!("on queue {queue:?}"), |job| job.envelope.queue.as_str() == queue)
    }

    /// Those with this tag.
    #[track_caller]
    pub fn tagged(self, tag: &str) -> Self {
        self.that(&format!("with tag {tag:?}"), |job| job.envelope.tags.iter().any(|it| it == tag))
    }

    /// Those with exactly this retry policy.
    #[track_caller]
    pub fn policy(self, policy: &RetryPolicy) -> Self {
        self.that(&format!("with policy {policy}"), |job| job.envelope.policy == *policy)
    }

    /// Those that were due this long after they were enqueued.
    #[track_caller]
    pub fn due_in(self, wait: Duration) -> Self {
        let name = format!("due in {}", humantime::format_duration(wait));
        self.that(&name, |job| job.due_in() == wait)
    }

    /// Those that were due at once.
    #[track_caller]
    pub fn due_now(self) -> Self {
        self.that("due at once", |job| job.due_in().is_zero())
    }

    /// Those with this unique key.
    #[track_caller]
    pub fn unique(self, key: &str) -> Self {
        let held = |job: &Enqueued<J>| job.envelope.unique.as_ref().is_some_and(|it| it.key == key);
        self.that(&format!("with unique key {key:?}"), held)
    }

    /// There must be this many of them.
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

    /// The one that fits.
    ///
    /// # Panics
    /// When there are more.
    #[track_caller]
    pub fn only(self) -> Enqueued<J> {
        self.times(1).swap_remove(0)
    }
}
