//! Options: many enqueues of one key become one job.

use std::time::Duration;

use naq_core::flow::Unique;

use crate::EnqueueError;
use crate::enqueue::Enqueue;

impl<O> Enqueue<'_, O> {
    /// The unique key of the job: the caller's, or the one of its debounce or throttle.
    pub(super) fn coalesced_key(&self) -> Result<Option<Unique>, EnqueueError> {
        let Some(key) = self.coalesce.unique(&self.task).map_err(EnqueueError::Option)? else {
            return Ok(self.unique.clone());
        };
        let chosen = if self.unique.is_some() {
            "unique key"
        } else if self.coalesce.debounce.is_none() {
            return Ok(Some(key));
        } else if self.id.is_some() {
            "id"
        } else if self.times.due.is_some() {
            "due time"
        } else if !self.depends.on.is_empty() {
            "dependency"
        } else {
            return Ok(Some(key));
        };
        Err(EnqueueError::Option(format!(
            "a job with debounce or throttle has no {chosen} of its own: leave one of them out"
        )))
    }

    /// Makes one job of many enqueues. While the job waits, each enqueue of this task with this key
    /// replaces its arguments and options by its own, and starts the wait again. The job starts
    /// [1.4 s](naq_core::flow::DEBOUNCE_MARGIN) after no enqueue has come for `wait`. It runs once, also
    /// if many processes enqueue. An enqueue after the wait, such as while the job runs, adds a new job.
    ///
    /// The handle of an enqueue that replaced the arguments is that of the waiting job:
    /// [`is_duplicate`](crate::JobHandle::is_duplicate) and [`held_by`](crate::JobHandle::held_by)
    /// say so.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # async fn f(client: naq_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let index = client.enqueue_task("index.update", &7)?;
    /// index.debounce("doc-7", Duration::from_secs(5)).max_wait(Duration::from_secs(60)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// It cannot be combined with an [`id`](Self::id), a [`delay`](Self::delay), another unique key, or
    /// dependencies: the enqueue then fails.
    #[doc(alias = "coalesce")]
    #[doc(alias = "deduplicate")]
    pub fn debounce(mut self, key: impl Into<String>, wait: Duration) -> Self {
        self.unique = None;
        self.coalesce.debounce = Some((key.into(), wait));
        self
    }

    /// With [`debounce`](Self::debounce): the job starts this long after the enqueue that added it, even
    /// if more enqueues come. No bound by default.
    pub fn max_wait(mut self, longest: Duration) -> Self {
        self.coalesce.max_wait = Some(longest);
        self
    }

    /// At most one job of this task with this key in each `every`, rounded up to whole seconds. The
    /// first enqueue adds a job at once. Later ones add none until the time is over, even if the job has
    /// ended, and return the handle of that job. It is [`unique_for`](Self::unique_for) with a key that
    /// is the task's own.
    pub fn throttle(mut self, key: impl Into<String>, every: Duration) -> Self {
        self.unique = None;
        self.coalesce.throttle = Some((key.into(), every));
        self
    }
}
