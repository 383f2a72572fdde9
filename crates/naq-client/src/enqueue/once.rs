//! Once, and not again when it has ended.

use crate::enqueue::Enqueue;

impl<O> Enqueue<'_, O> {
    /// Adds no job while the broker knows anything of one of this [`id`](Self::id): also when it has
    /// ended, for as long as its record or its dead letter is kept (1 hour by default,
    /// [`record_ttl`](Self::record_ttl)). The handle is that one's, and says
    /// [`is_duplicate`](crate::JobHandle::is_duplicate). Costs one more request.
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
