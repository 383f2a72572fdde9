//! Read-only requests: jobs, queues, streams.

use async_trait::async_trait;
use naq_core::Timestamp;
use naq_core::names::{JobId, QueueName};
use naq_core::transport::{
    BrokerInfo, ConsumerReport, DeadPage, Durability, EndWatch, Evidence, JobKey, JobsPage,
    JobsQuery, Lookup, Place, QueueInfo, Stored, StreamReport, StreamRole, TransportError,
    WaitingPage,
};

use crate::broker_state::MAX_PAYLOAD;
use crate::end_watch::MemoryEndWatch;
use crate::stream_log::StreamLog;
use crate::transport::MemoryTransport;

#[async_trait]
impl Lookup for MemoryTransport {
    async fn evidence(&self, keys: &[JobKey]) -> Result<Vec<Vec<Evidence>>, TransportError> {
        let (state, _) = self.shared.state();
        Ok(keys.iter().map(|key| state.locate(key).iter().map(Evidence::from).collect()).collect())
    }

    async fn purged_at(&self, keys: &[JobKey]) -> Result<Vec<Option<Timestamp>>, TransportError> {
        let (mut state, _) = self.shared.state();
        Ok(keys.iter().map(|key| state.queue(&key.queue).purges.of(&key.id)).collect())
    }

    async fn locate(&self, key: &JobKey) -> Result<Vec<Stored>, TransportError> {
        Ok(self.shared.state().0.locate(key))
    }

    async fn watch_end(&self, key: &JobKey) -> Result<Box<dyn EndWatch>, TransportError> {
        Ok(Box::new(MemoryEndWatch::new(self.shared.clone(), key.clone())))
    }

    async fn find(&self, id: &JobId) -> Result<Vec<QueueName>, TransportError> {
        let (state, _) = self.shared.state();
        let holds = |queue: &&QueueName| {
            let key = JobKey::new((*queue).clone(), id.clone());
            !state.locate(&key).is_empty()
        };
        Ok(state.queues.keys().filter(holds).cloned().collect())
    }

    async fn queues(&self) -> Result<Vec<QueueName>, TransportError> {
        Ok(self.shared.state().0.queues.keys().cloned().collect())
    }

    async fn queue_info(&self, name: &QueueName) -> Result<Option<QueueInfo>, TransportError> {
        let (state, now) = self.shared.state();
        let Some(queue) = state.queues.get(name) else { return Ok(None) };
        let (pending, running, waiting) = queue.counts();
        Ok(Some(QueueInfo {
            name: name.clone(),
            pending,
            running,
            waiting,
            dead: state.dead.from(0).filter(|letter| letter.key.queue == *name).count() as u64,
            oldest: queue.oldest_ready().map(|stored| now.since(stored.stored_at)),
            paused_until: queue.paused_until,
            lease: queue.lease,
            concurrency_limit: queue.limit,
            bound: queue.bound,
            evicts: Vec::new(),
            forgotten: queue.forgotten().count() as u64,
            bytes: queue.log.bytes() as u64 + state.kept_bytes(name),
            last_seq: queue.log.last_seq(),
        }))
    }

    async fn dead_letters(
        &self,
        queue: Option<&QueueName>,
        from: u64,
        limit: usize,
    ) -> Result<DeadPage, TransportError> {
        let (state, _) = self.shared.state();
        let mut matching =
            state.dead.from(from).filter(|letter| queue.is_none_or(|q| *q == letter.key.queue));
        let letters = matching.by_ref().take(limit).cloned().collect();
        let next = matching.next().map(|letter| letter.seq);
        Ok(DeadPage { letters, next, ..DeadPage::default() })
    }

    async fn waiting_jobs(
        &self,
        queue: &QueueName,
        from: u64,
        limit: usize,
    ) -> Result<WaitingPage, TransportError> {
        let (state, _) = self.shared.state();
        let Some(queue) = state.queues.get(queue) else { return Ok(WaitingPage::default()) };
        let mut waiting = queue.log.from(from).filter(|stored| stored.place == Place::Schedule);
        let jobs = waiting.by_ref().take(limit).cloned().collect();
        Ok(WaitingPage { jobs, next: waiting.next().map(|stored| stored.seq) })
    }

    async fn jobs(&self, query: &JobsQuery) -> Result<JobsPage, TransportError> {
        Ok(self.shared.state().0.browse(query))
    }

    async fn broker(&self) -> Result<BrokerInfo, TransportError> {
        let server = format!("in-memory {}", env!("CARGO_PKG_VERSION"));
        Ok(BrokerInfo { server, clock_ahead_ms: 0, max_payload: MAX_PAYLOAD })
    }

    async fn streams(&self) -> Result<Vec<StreamReport>, TransportError> {
        let (state, now) = self.shared.state();
        let report = |name: String, role, log: &StreamLog| StreamReport {
            name,
            role,
            messages: log.from(0).count() as u64,
            bytes: log.bytes() as u64,
            durability: Durability { on_disk: false, replicas: 1 },
            evicts: Vec::new(),
            consumer: None,
        };
        let queues = state.queues.iter().map(|(name, queue)| {
            let (pending, running, _) = queue.counts();
            let consumer = ConsumerReport {
                name: "workers".to_owned(),
                lag: pending,
                held: running,
                held_limit: queue.limit,
                redelivered: 0,
                waiting_requests: 0,
                forgotten: queue.forgotten().count() as u64,
                paused: queue.paused_until.is_some_and(|until| until > now),
            };
            let role = StreamRole::Queue(name.clone());
            let stream = report(format!("NAQ_Q_{name}"), role, &queue.log);
            StreamReport { consumer: Some(consumer), ..stream }
        });
        let dead = report("NAQ_DEAD".to_owned(), StreamRole::Dead, &state.dead);
        let records = report("NAQ_RECORDS".to_owned(), StreamRole::Records, &state.records);
        Ok(queues.chain([dead, records]).collect())
    }

    fn is_connected(&self) -> bool {
        true
    }

    fn broker_now(&self) -> Option<Timestamp> {
        Some(self.shared.timer.now())
    }
}
