//! [`HoldCache`]: the breakers that are not closed, and waiting jobs of the queues in which something
//! holds jobs. From them the snapshot says what holds jobs.

use std::collections::BTreeMap;

use naq_client::Client;
use naq_core::QueueName;
use naq_core::flow::breaker::{BreakerEntry, Phase};
use naq_core::stats::Totals;
use naq_core::transport::{JobsPage, JobsQuery, Place, QueueInfo, SCAN};

use super::with_timeout::with_timeout;

/// The most queues of which waiting jobs are read at once. Those that held back most jobs come first.
const MAX_QUEUES: usize = 10;

/// What was read to say what holds jobs.
#[derive(Debug, Clone, Default)]
pub(crate) struct HoldCache {
    pub(super) breakers: Vec<BreakerEntry>,
    /// The newest waiting jobs, by queue.
    pub(super) waiting: BTreeMap<QueueName, JobsPage>,
}

impl HoldCache {
    /// Reads the breakers, and the newest waiting jobs of the queues in which jobs may be held.
    pub(super) async fn read(
        queues: &[QueueInfo],
        hour: &Totals,
        client: &Client,
    ) -> Result<Self, String> {
        let now = client.now();
        let mut breakers = with_timeout(client.breakers()).await?;
        breakers.retain(|it| !matches!(it.now(now).phase, Phase::Closed { .. }));
        let held = |queue: &QueueInfo| hour.queue(&queue.name).held_back;
        let may_hold =
            |queue: &&QueueInfo| queue.waiting > 0 && (held(queue) > 0 || !breakers.is_empty());
        let mut queues: Vec<_> = queues.iter().filter(may_hold).collect();
        queues.sort_by_key(|queue| std::cmp::Reverse((held(queue), queue.waiting)));
        let mut waiting = BTreeMap::new();
        for queue in queues.into_iter().take(MAX_QUEUES) {
            let of_queue = Some(queue.name.clone());
            let query =
                JobsQuery { queue: of_queue, limit: SCAN, ..JobsQuery::at(Place::Schedule) };
            waiting.insert(queue.name.clone(), with_timeout(client.jobs(&query)).await?);
        }
        Ok(Self { breakers, waiting })
    }
}
