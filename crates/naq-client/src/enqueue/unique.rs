//! Options: at most one job per unique key.

use std::time::Duration;

use naq_core::flow::Unique;

use crate::enqueue::Enqueue;

impl<O> Enqueue<'_, O> {
    /// At most one job with this key, over all tasks of the queue, until that job has ended, retries
    /// included. While a job holds the key, no other job is added, and the handle is that of the
    /// holder: see [`is_duplicate`](crate::JobHandle::is_duplicate) and
    /// [`held_by`](crate::JobHandle::held_by). A dead job holds no key.
    ///
    /// ```no_run
    /// # async fn f(client: naq_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let job = client.enqueue_task("order.ship", &2317)?.unique("order-2317").await?;
    /// if let Some(holder) = job.held_by() {
    ///     println!("{holder} does this already");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn unique(self, key: impl Into<String>) -> Self {
        self.unique_by(Unique::until_finished(key))
    }

    /// Like [`unique`](Self::unique), but the job holds the key only until its first attempt starts.
    /// A change while it runs gets a job of its own, and at most one job waits.
    pub fn unique_until_started(self, key: impl Into<String>) -> Self {
        self.unique_by(Unique::until_started(key))
    }

    /// At most one job with this key within `time`, even if it ends earlier. Rounded up to whole
    /// seconds.
    pub fn unique_for(self, key: impl Into<String>, time: Duration) -> Self {
        self.unique_by(Unique::for_time(key, time))
    }

    /// The key set before is unique over all queues, and not only in the queue of the job. Every producer
    /// of any queue can then hold it. Without a key this does nothing.
    pub fn unique_across_queues(mut self) -> Self {
        self.unique = self.unique.map(Unique::across_queues);
        self
    }

    /// Sets the unique key and how long the job holds it.
    pub fn unique_by(mut self, unique: Unique) -> Self {
        self.unique = Some(unique);
        self
    }
}
