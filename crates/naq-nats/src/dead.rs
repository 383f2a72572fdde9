//! Reads dead letters, in pages.

use naq_core::QueueName;
use naq_core::transport::{DeadPage, Place, TransportError};

use crate::api::Api;

impl Api {
    pub(crate) async fn dead_letters(
        &self,
        queue: Option<&QueueName>,
        from: u64,
        limit: usize,
    ) -> Result<DeadPage, TransportError> {
        let subject = queue.map_or_else(
            || self.subjects.of_all(Place::Dead),
            |queue| self.subjects.of_queue(Place::Dead, queue),
        );
        let stream = self.subjects.dead_stream();
        // A replica that lags may not show a letter that a requeue has to find.
        let batch = match self.replica_lags(&stream).await {
            true => self.batch_in_json(&stream, &subject, from, limit).await?,
            false => self.next_of(&stream, &subject, from, limit).await?,
        };
        let next = batch.messages.last().filter(|_| batch.left > 0).map(|last| last.seq + 1);
        let read = batch.messages.len();
        let letters: Vec<_> =
            batch.messages.into_iter().filter_map(|message| self.to_stored(message)).collect();
        Ok(DeadPage { skipped: read - letters.len(), letters, next })
    }
}
