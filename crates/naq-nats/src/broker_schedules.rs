//! Messages that the broker repeats, and that are no schedules of NAQ. A program that may enqueue can
//! write them, and each makes a job at each of its times.

use naq_core::QueueName;
use naq_core::transport::{BrokerSchedule, Place, TransportError};

use crate::api::Api;

const PAGE: usize = 1000;
/// Pages that are read of each place.
const MAX_PAGES: usize = 100;

impl Api {
    pub(crate) async fn broker_schedules(
        &self,
        queue: &QueueName,
    ) -> Result<Vec<BrokerSchedule>, TransportError> {
        let stream = self.subjects.queue_stream(queue);
        let mut found = Vec::new();
        for place in [Place::Schedule, Place::Queue] {
            let subject = self.subjects.of_queue(place, queue);
            let mut from = 1;
            for _ in 0..MAX_PAGES {
                let batch = self.next_of(&stream, &subject, from, PAGE).await?;
                let Some(last) = batch.messages.last().map(|message| message.seq) else { break };
                for message in batch.messages {
                    let Some(times) = message.repeats().map(str::to_owned) else { continue };
                    let stored = self.to_stored(message);
                    found.extend(stored.map(|stored| BrokerSchedule { stored, times }));
                }
                if batch.left == 0 {
                    break;
                }
                from = last + 1;
            }
        }
        Ok(found)
    }
}
