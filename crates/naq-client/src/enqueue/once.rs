//! Option: enqueue a job once, and not again after it has ended.

use crate::enqueue::Enqueue;

impl<O> Enqueue<'_, O> {
    /// Says that the [`id`](Self::id) is one job, even after its end. A chosen id is that by itself, so
    /// this only makes it visible in the code. Takes one more look-up.
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
