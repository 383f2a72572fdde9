//! Replaces the waiting message of a job by another one.

use async_nats::HeaderMap;
use naq_core::Timestamp;
use naq_core::transport::{Place, Stored, TransportError};
use naq_core::wire::WireMessage;

use crate::api::Api;
use crate::error_codes::WRONG_LAST_SEQUENCE;
use crate::message::{EXPECTED_LAST, outgoing};
use crate::operate::NEARLY_DUE;

impl Api {
    /// Replaces the job's waiting message. The broker stores the new one only while the old one is the
    /// last message there. False if it is not, or if the job is about to start.
    pub(crate) async fn replace(
        &self,
        stored: &Stored,
        message: &WireMessage,
        due_at: Timestamp,
    ) -> Result<bool, TransportError> {
        let subject = self.subjects.job(Place::Schedule, &stored.key);
        let mut retry = self.request_retry("move", &subject);
        loop {
            let soon = self.now() + NEARLY_DUE;
            if stored.due_at.is_some_and(|due_at| due_at <= soon) {
                return self.was_replaced(stored, message, retry.unclear).await;
            }
            let mut headers: HeaderMap = outgoing(message);
            headers.insert(EXPECTED_LAST, stored.seq.to_string());
            self.put_due(&mut headers, &stored.key, due_at);
            match self.store(&subject, headers, message.body.clone()).await {
                Ok(_) => return Ok(true),
                Err(error) if error.is(WRONG_LAST_SEQUENCE) => {
                    return self.was_replaced(stored, message, retry.unclear).await;
                }
                Err(error) => retry.wait_to_retry(error).await?,
            }
        }
    }

    /// Whether an earlier request replaced the message, although its reply was lost.
    async fn was_replaced(
        &self,
        stored: &Stored,
        message: &WireMessage,
        unclear: u32,
    ) -> Result<bool, TransportError> {
        if unclear == 0 {
            return Ok(false);
        }
        let newer = self.last_at(&stored.key, &[Place::Queue, Place::Schedule]).await?;
        let is_it = |it: &Stored| it.seq > stored.seq && it.message.body == message.body;
        Ok(newer.iter().any(is_it))
    }
}
