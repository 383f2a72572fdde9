//! Jobs that the consumer of a queue has forgotten: they are in the stream, and are never delivered.
//!
//! The consumer's ack floor says that everything up to it is acked. In a work queue stream an acked
//! message is gone. So a message at or below the floor is forgotten, or the broker knows it only
//! until its next restart. ADR 0021 says how the floor moves too far.

use std::sync::Arc;

use naq_core::QueueName;
use naq_core::transport::{Delivery, Place, Stored, TransportError};

use crate::ack_handle;
use crate::api::Api;
use crate::early;
use crate::stream_info::ConsumerInfo;

/// How many forgotten jobs are read at once.
const AT_ONCE: usize = 50;
/// How often the jobs are counted while other jobs come and go between the requests.
const COUNTS: usize = 5;

impl Api {
    /// Forgotten jobs of the queue, the oldest first. Costs three short requests if there is none.
    pub(crate) async fn forgotten(
        self: &Arc<Self>,
        queue: &QueueName,
    ) -> Result<Vec<Delivery>, TransportError> {
        self.warn_of_evictions(queue).await;
        let Some(mut info) = self.info_of_consumer(queue).await? else { return Ok(Vec::new()) };
        let below = self.below_floor(queue, &info, AT_ONCE).await?;
        for _ in 0..COUNTS {
            if below.is_empty() {
                break;
            }
            let (missed, newer) = self.count_missed(queue, info).await?;
            if missed >= below.len() as u64 {
                let now = self.now();
                let due = below.into_iter().filter(|it| !early::is_early(it, now));
                return Ok(due.map(|it| ack_handle::by_hand(self, it)).collect());
            }
            let Some(newer) = newer else { break };
            info = newer;
        }
        Ok(Vec::new())
    }

    /// How many jobs of the queue are forgotten. `info` is a description of its consumer.
    pub(crate) async fn count_forgotten(
        &self,
        queue: &QueueName,
        info: ConsumerInfo,
    ) -> Result<u64, TransportError> {
        if self.below_floor(queue, &info, 1).await?.is_empty() {
            return Ok(0);
        }
        Ok(self.count_missed(queue, info).await?.0)
    }

    async fn info_of_consumer(
        &self,
        queue: &QueueName,
    ) -> Result<Option<ConsumerInfo>, TransportError> {
        let info = self.consumer_info(queue).await;
        info.map_err(|e| e.into_transport("look at the queue", self.url()))
    }

    /// The messages of the queue at or below the ack floor.
    async fn below_floor(
        &self,
        queue: &QueueName,
        info: &ConsumerInfo,
        limit: usize,
    ) -> Result<Vec<Stored>, TransportError> {
        let stream = self.subjects.queue_stream(queue);
        let subject = self.subjects.of_queue(Place::Queue, queue);
        let floor = info.ack_floor.stream_seq;
        let first = self.next_of(&stream, &subject, 1, 1).await?.messages;
        if first.iter().all(|message| message.seq > floor) {
            return Ok(Vec::new());
        }
        let found = match limit {
            1 => first,
            more => self.next_of(&stream, &subject, 1, more).await?.messages,
        };
        let below = found.into_iter().filter(|message| message.seq <= floor);
        Ok(below.filter_map(|message| self.to_stored(message)).collect())
    }

    /// How many messages of the queue are neither pending nor with a worker, and the consumer's
    /// newest description. Jobs move during the count, so only jobs that both descriptions miss are
    /// missing.
    pub(crate) async fn count_missed(
        &self,
        queue: &QueueName,
        before: ConsumerInfo,
    ) -> Result<(u64, Option<ConsumerInfo>), TransportError> {
        let stream = self.subjects.queue_stream(queue);
        let stored = self.count(&stream, &self.subjects.of_queue(Place::Queue, queue)).await?;
        let Some(after) = self.info_of_consumer(queue).await? else { return Ok((0, None)) };
        let known = |info: &ConsumerInfo| info.num_pending + info.num_ack_pending;
        Ok((stored.saturating_sub(known(&before).max(known(&after))), Some(after)))
    }
}
