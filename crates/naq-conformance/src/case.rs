//! [`Case`]: the queue of one test, and the steps that the behaviours are written in.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naq_client::{Client, ClientError, JobHandle};
use naq_core::clock::{Clock, Timestamp};
use naq_core::failure::ErrorKind;
use naq_core::names::{JobId, JobKey, QueueName};
use naq_core::retry::Rule;
use naq_core::state::JobState;
use naq_core::transport::{
    Delivery, Fact, Place, Receipt, StaleReason, Submission, Subscription, Transport, Written,
    stale,
};
use naq_core::wire::{
    AttemptOutcome, AttemptRecord, DeadLetter, Envelope, FinalRecord, Payload, WireMessage, headers,
};

use crate::Subject;

/// Waits let time pass in steps of this.
const STEP: Duration = Duration::from_millis(50);
/// A broker delivers a message within this time, even on a busy machine.
const SOON: Duration = Duration::from_secs(10);
/// A test can look at a job that waits this long, three servers on a busy machine or not.
pub(crate) const LOOK: Duration = Duration::from_secs(5);
/// A broker that has a message ready would have delivered it within this time.
pub(crate) const BRIEF: Duration = Duration::from_millis(300);

/// A handle of a job with any result.
pub(crate) type AnyJobHandle = JobHandle<serde_json::Value>;

/// One test: a queue of its own, and a client of it.
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
    /// A case with a queue that no other test uses.
    pub(crate) fn new(subject: &'a dyn Subject) -> Self {
        let transport = subject.transport();
        let clock = subject.clock();
        let queue = QueueName::new(JobId::random()).unwrap();
        let client =
            Client::new(transport.clone()).clock(clock.clone()).default_queue(queue.clone());
        Self { subject, transport, clock, client, queue }
    }

    pub(crate) fn key(&self, id: &str) -> JobKey {
        JobKey::new(self.queue.clone(), self::id(id))
    }

    pub(crate) fn lease(&self) -> Duration {
        self.subject.lease()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn advance(&self, span: Duration) {
        self.subject.pass(span).await;
    }

    pub(crate) async fn restart(&self) -> bool {
        self.subject.restart().await
    }

    pub(crate) async fn open(&self) -> Box<dyn Subscription> {
        self.transport.subscribe(&self.queue, self.lease()).await.unwrap()
    }

    // Enqueue

    pub(crate) async fn enqueue(&self, id: &str) -> AnyJobHandle {
        self.client.enqueue_task("task", &[id]).unwrap().id(id).await.unwrap()
    }

    pub(crate) async fn enqueue_in(&self, id: &str, delay: Duration) {
        self.client.enqueue_task("task", &[id]).unwrap().id(id).delay(delay).await.unwrap();
    }

    /// Publishes a message that no NAQ client has written.
    pub(crate) async fn publish_raw(&self, id: &str, message: WireMessage) -> Receipt {
        let job = Submission {
            key: self.key(id),
            due_at: None,
            dedup: JobId::random().to_string(),
            unique: false,
            message,
        };
        self.transport.publish(job).await.unwrap()
    }

    pub(crate) async fn json(&self, id: &str, body: &str) -> Receipt {
        self.publish_raw(id, WireMessage::new(Bytes::from(body.to_owned()))).await
    }

    // Fetch

    /// The deliveries that arrive within `wait`. Returns as soon as there are any.
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

    /// The next delivery. Fails if none arrives.
    pub(crate) async fn next_delivery(&self, sub: &mut Box<dyn Subscription>) -> Delivery {
        let mut fetched = self.fetch(sub, 1, self.lease() + SOON).await;
        assert_eq!(fetched.len(), 1, "a delivery in {}", self.queue);
        fetched.remove(0)
    }

    /// The next `count` deliveries. Fails if fewer arrive.
    pub(crate) async fn next_deliveries(
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

    /// Fails if a delivery arrives within `span`.
    pub(crate) async fn expect_nothing(&self, sub: &mut Box<dyn Subscription>, span: Duration) {
        let fetched = self.fetch(sub, 10, span).await;
        assert!(fetched.is_empty(), "unexpected deliveries: {fetched:?}");
    }

    /// Lets the leases of the current deliveries expire.
    pub(crate) async fn lose_lease(&self) {
        self.advance(self.lease() + Duration::from_millis(20)).await;
    }

    // Settle

    pub(crate) async fn write(&self, fact: &Fact) -> Written {
        self.transport.write(fact).await.unwrap()
    }

    /// Settles a delivery: writes `fact`, then acks.
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

    /// The record of a death, which is written before the letter.
    pub(crate) fn death_record(&self, delivery: &Delivery, kind: &str) -> Fact {
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

    // Read

    /// What a worker finds before it runs a suspect: whether it is stale.
    pub(crate) async fn stale(&self, delivery: &Delivery) -> Option<StaleReason> {
        let keys = [delivery.stored.key.clone()];
        let evidence = self.transport.evidence(&keys).await.unwrap();
        stale(&delivery.step(), delivery.stored.seq, &evidence[0])
    }

    /// Fails unless the job's messages are at exactly these places, now or within a moment: an ack is
    /// not confirmed.
    pub(crate) async fn expect_places(&self, id: &str, places: &[Place]) {
        let key = self.key(id);
        let end = self.now() + SOON;
        loop {
            let stored = self.transport.locate(&key).await.unwrap();
            let mut found: Vec<Place> = stored.iter().map(|stored| stored.place).collect();
            found.sort_unstable();
            if found == places {
                return;
            }
            assert!(self.now() < end, "{key} is at {found:?}, not at {places:?}");
            self.advance(STEP).await;
        }
    }

    /// Fails unless the job has this state, now or within a moment: of several servers another one may
    /// answer than the one that was asked before, and it may be a little behind.
    pub(crate) async fn expect_state(&self, id: &str, state: JobState) {
        let end = self.now() + SOON;
        loop {
            let report = self.client.report(&self.key(id)).await;
            if report.as_ref().is_ok_and(|report| report.state == state) {
                return;
            }
            assert!(self.now() < end, "{id} is not {state:?}: {report:?}");
            self.advance(STEP).await;
        }
    }

    /// Fails unless nothing is known of the job, now or within a moment: see [`Self::expect_state`].
    pub(crate) async fn expect_no_job(&self, id: &str) {
        let end = self.now() + SOON;
        loop {
            let report = self.client.report(&self.key(id)).await;
            if matches!(report, Err(ClientError::NoJob(_))) {
                return;
            }
            assert!(self.now() < end, "{id} is still known: {report:?}");
            self.advance(STEP).await;
        }
    }
}
