//! Checks whether the queue still exists, and still delivers.

use naq_core::transport::TransportError;
use tokio::time::Instant;

use super::NatsSubscription;
use crate::recreate;
use crate::stream_info::ConsumerTerms;

impl NatsSubscription {
    fn learn_terms(&mut self, terms: ConsumerTerms) {
        self.api.limited_queues.set(&self.queue, terms.limit.is_some());
        self.terms = terms;
    }

    /// Checks the queue after a pull brought nothing. If jobs are waiting, opens a new inbox. If
    /// the queue does not exist any more, creates it again.
    pub(super) async fn check_queue(&mut self) -> Result<(), TransportError> {
        match self.api.consumer_info(&self.queue).await {
            Ok(Some(info)) => {
                self.create_at = None;
                self.learn_terms(info.terms());
                let limit = self.terms.limit.unwrap_or(u64::MAX);
                let open = !info.paused && info.num_ack_pending < limit;
                if info.num_pending > 0 && open && self.ready.is_empty() {
                    tracing::warn!(
                        queue = %self.queue,
                        pending = info.num_pending,
                        "jobs are pending but no delivery arrives: opening a new inbox"
                    );
                    self.open_inbox(self.api.connection.state()).await?;
                }
                Ok(())
            }
            Ok(None) => {
                let now = Instant::now();
                let at = *self.create_at.get_or_insert_with(|| {
                    tracing::warn!(
                        queue = %self.queue,
                        "the queue does not exist: creating it again in a second"
                    );
                    now + recreate::PAUSE
                });
                if now < at {
                    self.resume_at = Some(at);
                    self.check_needed = true;
                    return Ok(());
                }
                self.create_at = None;
                self.api.create_again(&self.queue).await?;
                let terms = self.api.ensure_consumer(&self.queue, self.wanted_lease).await?;
                self.learn_terms(terms);
                self.watch.consumer_changed();
                Ok(())
            }
            // The check is optional, so these errors are ignored.
            Err(error) if error.is_permission() || error.is_transient() => Ok(()),
            Err(error) => Err(error.into_transport("read the queue's state", self.api.url())),
        }
    }
}
