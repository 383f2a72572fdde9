//! Option: enqueue a job once, and not again after it has ended.

use crate::enqueue::Enqueue;

impl<O> Enqueue<'_, O> {
    /// Adds no job if the broker knows a job of this [`id`](Self::id), even one that has ended: as
    /// long as its record or its dead letter is kept (1 hour by default, see
    /// [`record_ttl`](Self::record_ttl)). The handle is then that of the known job, and
    /// [`is_duplicate`](crate::JobHandle::is_duplicate) is true. Takes one more request.
    ///
    /// ```no_run
    /// # async fn f(client: naq_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// client.enqueue_task("report", &"2026-11")?.id("report-2026-11").once().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }
}
