//! What follows if it dies.

use naq_core::flow::FollowUp;

use crate::enqueue::Enqueue;

impl<O> Enqueue<'_, O> {
    /// The job that is enqueued when this one dies, before its dead letter is acknowledged: exactly
    /// one, also when workers die over it. It is told of the death in its arguments; see
    /// [`FollowUp`]. None by default, but for what the task says where it is registered.
    ///
    /// ```no_run
    /// # async fn f(client: naq_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// client.enqueue_task("order.ship", &7)?.on_exhausted_job("order.refund").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// When it is a text that is no task name.
    pub fn on_exhausted_job(mut self, follow_up: impl Into<FollowUp>) -> Self {
        self.on_exhausted = Some(follow_up.into());
        self
    }
}
