//! One test's own queue, and the words that the behaviours are written in.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naq_client::{Client, JobHandle};
use naq_core::clock::{Clock, Timestamp};
use naq_core::failure::ErrorKind;
use naq_core::names::{JobId, QueueName};
use naq_core::retry::Rule;
use naq_core::state::JobState;
use naq_core::transport::{
    Delivery, Fact, JobKey, Place, Receipt, StaleReason, Submission, Subscription, Transport,
    Written, stale,
};
use naq_core::wire::{
    AttemptOutcome, AttemptRecord, DeadLetter, Envelope, FinalRecord, Payload, WireMessage, headers,
};

use crate::Subject;

/// Time passes in steps of this.
const STEP: Duration = Duration::from_millis(50);
/// A broker that has something delivers it within this, whatever else the machine does.
const SOON: Duration = Duration::from_secs(10);
/// A broker that has something ready would have delivered it by now.
pub(crate) const BRIEF: Duration = Duration::from_millis(300);

pub(crate) struct Case<'a> {
    subject: &'a dyn Subject,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) client: Client,
    pub(crate) queue: QueueName,
}

pub(crate) fn id(text: &str) -> JobId {
    JobId::new(text).unwrap()
}

impl<'a> Case<'a> {
    /// A queue that nobody else uses.
    pub(crate) fn new(subject: &'a dyn Subject) -> Self {
        let (transport, clock) = (subject.transport(), subject.clock());
        let queue = QueueName::new(JobId::random()).unwrap();
        let client =
            Client::new(transport.clone()).clock(clock.clone()).default_queue(queue.clone());
        Self { subject, transport, clock, client, queue }
    }

    pub(crate) fn key(&self, id: &str) -> JobKey {
        JobKey { queue: self.queue.clone(), id: self::id(id) }
    }

    pub(crate) fn lease(&self) -> Duration {
        self.subject.lease()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn pass(&self, span: Duration) {
        self.subject.pass(span).await;
    }

    pub(crate) async fn restart(&self) -> bool {
        self.subject.restart().await
    }

    pub(crate) async fn open(&self) -> Box<dyn Subscription> {
        self.transport.subscribe(&self.queue, self.lease()).await.unwrap()
    }

    // Enqueue

    pub(crate) async fn enqueue(&self, id: &str) -> JobHandle<serde_json::Value> {
        self.client.enqueue_task("task", &[id]).unwrap().id(id).await.unwrap()
    }

    pub(crate) async fn enqueue_in(&self, id: &str, delay: Duration) {
        self.client.enqueue_task("task", &[id]).unwrap().id(id).delay(delay).await.unwrap();
    }

    /// A message that no NAQ has written.
    pub(crate) async fn by_hand(&self, id: &str, message: WireMessage) -> Receipt {
        let dedup = JobId::random().to_string();
        let key = self.key(id);
        let job = Submission { key, due_at: None, dedup, unique: false, message };
        self.transport.publish(job).await.unwrap()
    }

    pub(crate) async fn json(&self, id: &str, body: &str) -> Receipt {
        self.by_hand(id, WireMessage::new(Bytes::from(body.to_owned()))).await
    }

    // Fetch

    /// What arrives within `wait`; returns as soon as something has.
    pub(crate) async fn fetch(
        &self,
        sub: &mut Box<dyn Subscription>,
        max: usize,
        wait: Duration,
    ) -> Vec<Delivery> {
        let mut fetch = pin!(sub.fetch(max, wait));
        loop {
            tokio::select! {
                biased;
                fetched = &mut fetch => return fetched.unwrap(),
                () = self.subject.pass(STEP) => {}
            }
        }
    }

    /// The next delivery, which must come.
    pub(crate) async fn one(&self, sub: &mut Box<dyn Subscription>) -> Delivery {
        let mut fetched = self.fetch(sub, 1, self.lease() + SOON).await;
        assert_eq!(fetched.len(), 1, "a delivery in {}", self.queue);
        fetched.remove(0)
    }

    /// The next `count` deliveries.
    pub(crate) async fn many(
        &self,
        sub: &mut Box<dyn Subscription>,
        count: usize,
    ) -> Vec<Delivery> {
        let mut all = Vec::new();
        while all.len() < count {
            let more = self.fetch(sub, count - all.len(), SOON).await;
            assert!(!more.is_empty(), "{} of {count} deliveries arrived", all.len());
            all.extend(more);
        }
        all
    }

    /// Nothing comes within `span`.
    pub(crate) async fn nothing(&self, sub: &mut Box<dyn Subscription>, span: Duration) {
        let fetched = self.fetch(sub, 10, span).await;
        assert!(fetched.is_empty(), "nothing should arrive, but: {fetched:?}");
    }

    /// Lets the lease of what is held run out.
    pub(crate) async fn lose_lease(&self) {
        self.pass(self.lease() + Duration::from_millis(20)).await;
    }

    // Settle

    pub(crate) async fn write(&self, fact: &Fact) -> Written {
        self.transport.write(fact).await.unwrap()
    }

    /// Writes `fact`, then acks: one whole settle.
    pub(crate) async fn settle(&self, delivery: &Delivery, fact: &Fact) {
        assert_eq!(self.write(fact).await, Written::Stored);
        delivery.handle.ack().await.unwrap();
    }

    pub(crate) async fn complete(&self, delivery: &Delivery) {
        self.settle(delivery, &self.record(delivery)).await;
    }

    pub(crate) fn record(&self, delivery: &Delivery) -> Fact {
        let envelope = delivery.envelope().unwrap();
        let result = Payload::encode(envelope.codec, &"done").unwrap();
        let record = FinalRecord {
            envelope,
            state: JobState::Completed,
            finished_at: self.now(),
            result: Some(result),
        };
        Fact::record(&delivery.stored, &record).unwrap().unwrap()
    }

    pub(crate) fn retry(&self, delivery: &Delivery, delay: Duration) -> Fact {
        let mut next = delivery.envelope().unwrap();
        next.record(AttemptRecord::new(next.attempt, AttemptOutcome::Failed));
        next.attempt += 1;
        let due_at = self.now() + delay;
        next.due_at = Some(due_at);
        Fact::retry(&delivery.stored, &next, due_at).unwrap()
    }

    pub(crate) fn dead(&self, delivery: &Delivery, kind: &str) -> Fact {
        Fact::dead(&delivery.stored, &self.letter(delivery, kind))
    }

    /// The record that goes before the letter.
    pub(crate) fn death(&self, delivery: &Delivery, kind: &str) -> Fact {
        let job = delivery.envelope().unwrap();
        Fact::death(&delivery.stored, job, &self.letter(delivery, kind)).unwrap()
    }

    fn letter(&self, delivery: &Delivery, kind: &str) -> DeadLetter {
        let message = &delivery.stored.message;
        DeadLetter {
            step: delivery.step(),
            task: delivery.envelope().ok().map(|job: Envelope| job.task),
            error_kind: ErrorKind::new(kind.to_owned()).unwrap(),
            message: "went wrong".into(),
            rule: Rule::MaxRetries,
            reason: "no retry is left".into(),
            died_at: self.now(),
            content_type: message.header(headers::CONTENT_TYPE).map(str::to_owned),
            body: message.body.clone(),
        }
    }

    pub(crate) fn give_back(&self, delivery: &Delivery) -> Fact {
        Fact::give_back(&delivery.stored, None).unwrap()
    }

    // Look

    /// What a worker finds out before it runs a suspect.
    pub(crate) async fn stale(&self, delivery: &Delivery) -> Option<StaleReason> {
        let keys = [delivery.stored.key.clone()];
        let evidence = self.transport.evidence(&keys).await.unwrap();
        stale(&delivery.step(), delivery.stored.seq, &evidence[0])
    }

    /// The job's messages stand exactly there, now or (an ack is not confirmed) in a moment.
    pub(crate) async fn stands(&self, id: &str, places: &[Place]) {
        let key = self.key(id);
        let end = self.now() + SOON;
        loop {
            let stored = self.transport.locate(&key).await.unwrap();
            let mut found: Vec<Place> = stored.iter().map(|stored| stored.place).collect();
            found.sort_unstable();
            if found == places {
                return;
            }
            assert!(self.now() < end, "{key} stands at {found:?}, not at {places:?}");
            self.pass(STEP).await;
        }
    }

    pub(crate) async fn state(&self, id: &str) -> JobState {
        self.client.report(&self.key(id)).await.unwrap().state
    }
}
