//! [`World`]: a database with an outbox, and an in-memory broker whose clock the test moves.

use std::sync::Arc;
use std::time::Duration;

use naq_client::Client;
use naq_core::testing::{FaultPlan, FaultyTransport, ManualClock};
use naq_core::transport::{Consumer, Fact, Settler, Submission, Transport};
use naq_core::{Clock, FinalRecord, JobId, JobState, Payload, QueueName};
use naq_memory::{JournalEntry, MemoryTransport};
use naq_outbox::{Outbox, OutboxJob, OutboxTable, Relay, RowState};
use sqlx::Pool;

use crate::database::TestDatabase;

pub(crate) struct World<DB: TestDatabase> {
    pub(crate) pool: Pool<DB>,
    pub(crate) clock: ManualClock,
    pub(crate) broker: MemoryTransport,
    pub(crate) client: Client,
    pub(crate) outbox: Outbox<DB>,
    pub(crate) table: OutboxTable<DB>,
    _home: DB::Home,
}

impl<DB: TestDatabase> World<DB> {
    pub(crate) async fn new() -> Self {
        let (home, pool) = DB::open().await;
        let table = OutboxTable::new(pool.clone());
        table.create().await.unwrap();
        let clock = ManualClock::new();
        let broker = MemoryTransport::with_timer(Arc::new(clock.clone())).with_journal();
        let client = Client::new(Arc::new(broker.clone())).clock(Arc::new(clock.clone()));
        let outbox = Outbox::new(client.clone());
        Self { pool, clock, broker, client, outbox, table, _home: home }
    }

    pub(crate) fn relay(&self) -> Relay<DB> {
        Relay::new(self.pool.clone(), self.client.clone())
    }

    /// A relay whose broker fails by a plan. At a die point the relay's task ends at once.
    pub(crate) fn faulty_relay(
        &self,
        plan: FaultPlan,
    ) -> (Arc<FaultyTransport<MemoryTransport>>, Relay<DB>) {
        let broker = self.broker.clone();
        let faulty =
            FaultyTransport::with_die_hook(broker, plan, |point| panic!("died at {point}"));
        let faulty = Arc::new(faulty);
        let transport: Arc<dyn Transport> = faulty.clone();
        let client = Client::new(transport).clock(Arc::new(self.clock.clone()));
        (faulty, Relay::new(self.pool.clone(), client))
    }

    /// Enqueues in a transaction of its own.
    pub(crate) async fn enqueue(&self, job: impl OutboxJob) -> JobId {
        let mut tx = self.pool.begin().await.unwrap();
        let id = self.outbox.enqueue(&mut tx, job).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Enqueues a job without options, whose arguments are this number.
    pub(crate) async fn enqueue_number(&self, number: u64) -> JobId {
        self.enqueue(self.client.enqueue_task("count", &number).unwrap()).await
    }

    /// The submissions that the broker has stored, oldest first.
    pub(crate) fn published(&self) -> Vec<Submission> {
        let stored = self.broker.journal().into_iter().filter_map(|entry| match entry {
            JournalEntry::Enqueued(_, job) => Some(job),
            JournalEntry::Settled(..) => None,
        });
        stored.collect()
    }

    pub(crate) fn published_ids(&self) -> Vec<String> {
        self.published().iter().map(|job| job.key.id.to_string()).collect()
    }

    pub(crate) async fn count(&self, state: RowState) -> u64 {
        self.table.count(state).await.unwrap()
    }

    /// The lease of a dead relay ends, as it does after a minute; and a row that waits may be tried again.
    pub(crate) async fn end_waits(&self) {
        DB::execute(&self.pool, "UPDATE naq_outbox SET free_ms = 0 WHERE state = 'pending'").await;
    }

    /// Time passes for the rows and for the broker.
    pub(crate) async fn pass(&self, time: Duration) {
        let millis = time.as_millis();
        let sql = format!(
            "UPDATE naq_outbox SET offered_ms = offered_ms - {millis}, free_ms = free_ms - {millis}, \
                created_ms = created_ms - {millis}, settled_ms = settled_ms - {millis}"
        );
        DB::execute(&self.pool, &sql).await;
        self.clock.advance(time).await;
    }

    /// Runs all pending jobs of the default queue, as a worker does. Returns their ids.
    pub(crate) async fn work(&self) -> Vec<String> {
        let lease = Duration::from_secs(30);
        let mut queue = self.broker.subscribe(&QueueName::default(), lease).await.unwrap();
        let mut done = Vec::new();
        for delivery in queue.fetch(1000, Duration::ZERO).await.unwrap() {
            let envelope = delivery.envelope().unwrap();
            done.push(envelope.id.to_string());
            let record = FinalRecord {
                result: Some(Payload::encode(envelope.codec, &()).unwrap()),
                state: JobState::Completed,
                finished_at: self.clock.now(),
                envelope,
            };
            if let Some(fact) = Fact::record(&delivery.stored, &record).unwrap() {
                self.broker.write(&fact).await.unwrap();
            }
            delivery.handle.ack().await.unwrap();
        }
        done
    }
}
