//! Option: the job that follows if this one dies.

use naq_core::flow::FollowUp;

use crate::enqueue::Enqueue;

impl<O> Enqueue<'_, O> {
    /// The job that NAQ enqueues when this one dies, before it acks the message: exactly one, even
    /// if workers crash meanwhile. Its arguments describe the death; see [`FollowUp`]. By default
    /// the follow-up of the task's registration, if it has one.
    ///
    /// ```no_run
    /// # async fn f(client: naq_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// client.enqueue_task("order.ship", &7)?.on_exhausted_job("order.refund").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// When it is a text that is not a valid task name.
    pub fn on_exhausted_job(mut self, follow_up: impl Into<FollowUp>) -> Self {
        self.on_exhausted = Some(follow_up.into());
        self
    }
}
