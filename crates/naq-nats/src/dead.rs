//! The dead letter queue, read page by page.

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
        let batch = self.next_of(&stream, &subject, from, limit).await?;
        let next = batch.held.last().filter(|_| batch.left > 0).map(|last| last.seq + 1);
        let letters = batch.held.into_iter().filter_map(|held| self.stored(held)).collect();
        Ok(DeadPage { letters, next })
    }
}
