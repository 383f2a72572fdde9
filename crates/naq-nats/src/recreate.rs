//! Makes the stream of a queue again that was removed while it was in use.
//!
//! A stream that is made again within milliseconds of its removal may lose its files to that removal: the
//! broker then answers no store to it until it is restarted (measured, 2.15.1: once in some dozens under
//! load). So this waits first, and looks afterwards whether the stream stores.

use std::time::Duration;

use naq_core::transport::{ProbeAnswer, StreamRole, TransportError};
use naq_core::{Clock, QueueName, SystemClock, Timer};

use crate::api::Api;

/// How long to wait between the removal of a stream and its next life.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

impl Api {
    /// Makes sure that the queue exists, to which a publish had no subscriber. Returns true if it was
    /// created now.
    pub(crate) async fn ensure_queue_to_publish(
        &self,
        queue: &QueueName,
    ) -> Result<bool, TransportError> {
        let wanted = self.configs().queue_config(queue);
        let was_removed =
            self.rooms.existed(queue) && matches!(self.stream_info(&wanted.name).await, Ok(None));
        if !was_removed {
            return self.ensure_queue(queue).await;
        }
        tracing::warn!(%queue, "the queue was removed: creating it again in a second");
        SystemClock.sleep_until(SystemClock.now() + PAUSE).await;
        self.create_again(queue).await
    }

    /// Creates a queue that was removed at least [`PAUSE`] ago, and looks whether it stores.
    pub(crate) async fn create_again(&self, queue: &QueueName) -> Result<bool, TransportError> {
        let created = self.ensure_queue(queue).await?;
        if self.probe(&StreamRole::Queue(queue.clone()), queue).await == Some(ProbeAnswer::Silent) {
            tracing::error!(
                %queue,
                "the queue was removed and created again, and the broker does not store to it: \
                 restart the server"
            );
        }
        Ok(created)
    }
}
