//! Purge: remove a dead letter for good.

use std::time::Duration;

use naq_core::transport::{Place, Stored, TransportError};

use crate::Client;

/// Longer than a broker remembers the id of a job, which is two minutes.
const REMEMBERED: Duration = Duration::from_secs(600);

impl Client {
    /// Removes a dead letter for good, and frees its id: another job can be enqueued with it at once.
    /// False when the letter is gone already.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn purge_dead(&self, letter: &Stored) -> Result<bool, TransportError> {
        self.remove_leftovers(letter).await?;
        let removed = self.transport.remove(letter).await?;
        let job = letter.envelope();
        if let Ok(job) = &job {
            // Best effort: a worker removes them after a day.
            let _ = self.remove_args(&letter.key, job).await;
        }
        let enqueued = job.map(|job| job.enqueued_at);
        // A broker remembers the id of a job that was enqueued lately.
        let remembered = enqueued.map_or(true, |at| self.now().since(at) < REMEMBERED);
        if removed && remembered {
            self.transport.note_purge(&letter.key).await?;
        }
        Ok(removed)
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
