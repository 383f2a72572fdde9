//! Lists of jobs, in pages.

use naq_core::names::QueueName;
use naq_core::transport::{JobsCursor, JobsPage, JobsQuery, Order, Place, Scan, Stored};

use crate::broker_state::BrokerState;
use crate::queue::MemoryQueue;
use crate::stream_log::StreamLog;

impl BrokerState {
    pub(crate) fn browse(&self, query: &JobsQuery) -> JobsPage {
        let mut scan = Scan::new(query);
        let next = match query.place {
            Place::Dead => add_to_page(&mut scan, query, &self.dead, None, None),
            Place::Record => add_to_page(&mut scan, query, &self.records, None, None),
            Place::Queue | Place::Schedule => self.browse_queues(&mut scan, query),
        };
        scan.finish(next)
    }

    fn browse_queues(&self, scan: &mut Scan<'_>, query: &JobsQuery) -> Option<JobsCursor> {
        let start_at = query.cursor.as_ref().and_then(|cursor| cursor.queue.as_ref());
        let wanted = self
            .queues
            .iter()
            .filter(|(name, _)| query.queue.as_ref().is_none_or(|queue| queue == *name))
            .filter(|(name, _)| start_at.is_none_or(|queue| queue <= *name));
        for (name, queue) in wanted {
            let next = add_to_page(scan, query, &queue.log, Some(name), Some(queue));
            if next.is_some() {
                return next;
            }
        }
        None
    }
}

/// Adds one stream's messages to the page. Returns the next page's cursor if the page is full.
fn add_to_page(
    scan: &mut Scan<'_>,
    query: &JobsQuery,
    log: &StreamLog,
    name: Option<&QueueName>,
    queue: Option<&MemoryQueue>,
) -> Option<JobsCursor> {
    let cursor = query.cursor.as_ref();
    let cursor = cursor.filter(|cursor| cursor.queue.is_none() || cursor.queue.as_ref() == name);
    let messages: Box<dyn Iterator<Item = &Stored>> = match query.order {
        Order::OldestFirst => Box::new(log.from(cursor.map_or(0, |cursor| cursor.seq))),
        Order::NewestFirst => Box::new(log.back_from(cursor.map_or(u64::MAX, |c| c.seq))),
    };
    let fits = |stored: &&Stored| {
        stored.place == query.place
            && !stored.message.is_marker()
            && query.queue.as_ref().is_none_or(|queue| *queue == stored.key.queue)
    };
    for stored in messages.filter(fits) {
        if scan.is_full() {
            return Some(JobsCursor { queue: name.cloned(), seq: stored.seq });
        }
        let delivered = queue.is_some_and(|queue| queue.is_leased(stored.seq));
        let summary = scan.look(&Stored { delivered, ..stored.clone() });
        if !scan.take(summary) {
            break;
        }
    }
    None
}
