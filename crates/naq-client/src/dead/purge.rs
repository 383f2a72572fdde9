//! Purge: remove a dead letter for good.

use naq_core::transport::{Place, Stored, TransportError};

use crate::Client;

impl Client {
    /// Removes a dead letter for good. False when it is gone already.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn purge_dead(&self, letter: &Stored) -> Result<bool, TransportError> {
        self.remove_leftovers(letter).await?;
        self.transport.remove(letter).await
    }

    /// Removes the queue message of the life that this letter ended. The worker that wrote the
    /// letter may have crashed before the ack. Its message would be delivered again, and the next
    /// worker would find the record of the death without a letter, and write the letter again.
    pub(super) async fn remove_leftovers(&self, letter: &Stored) -> Result<(), TransportError> {
        let nonce = letter.step().nonce;
        loop {
            let mut messages = self.transport.locate(&letter.key).await?;
            messages.retain(|it| it.place == Place::Queue && it.step().nonce == nonce);
            if messages.is_empty() {
                return Ok(());
            }
            for message in &messages {
                self.transport.remove(message).await?;
            }
        }
    }
}
