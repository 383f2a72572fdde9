//! At most one job of a key.

use std::time::Duration;

use naq_core::flow::Unique;

use crate::enqueue::Enqueue;

impl<O> Enqueue<'_, O> {
    /// At most one job of this key, over all queues and tasks, until it has ended, retries
    /// included. While one holds the key, no other is added, and the handle is that one's:
    /// [`is_duplicate`](crate::JobHandle::is_duplicate),
    /// [`held_by`](crate::JobHandle::held_by). A job in the dead letter queue holds no key.
    ///
    /// ```no_run
    /// # async fn f(client: naq_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let job = client.enqueue_task("order.ship", &2317)?.unique("order-2317").await?;
    /// if let Some(holder) = job.held_by() {
    ///     println!("{holder} is at it already");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn unique(self, key: impl Into<String>) -> Self {
        self.unique_by(Unique::until_finished(key))
    }

    /// The same, but only until the job's first attempt starts: what changes while it runs gets a
    /// job of its own, and one at most waits.
    pub fn unique_until_started(self, key: impl Into<String>) -> Self {
        self.unique_by(Unique::until_started(key))
    }

    /// At most one job of this key in this time, also when it has ended before; rounded up to whole
    /// seconds.
    pub fn unique_for(self, key: impl Into<String>, time: Duration) -> Self {
        self.unique_by(Unique::for_time(key, time))
    }

    /// With this key; [`unique`](Self::unique) and its like make one.
    pub fn unique_by(mut self, unique: Unique) -> Self {
        self.unique = Some(unique);
        self
    }
}
