//! Calls of the client that crash between their steps, and are repeated.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/world.rs"]
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use naq_client::{Client, ClientError, EnqueueError};
use naq_core::testing::{DiePoint, Fault, FaultPlan, FaultyTransport, Op};
use naq_core::transport::{
    Consumer, Delivery, Fact, JobKey, Lookup, Stored, Subscription, Transport, TransportError,
};
use naq_core::{Clock, DeadLetter, ErrorKind, JobId, JobState, QueueName};
use naq_memory::MemoryTransport;

use crate::world::World;

const LEASE: Duration = Duration::from_secs(10);

impl World {
    fn faulty(&self, plan: FaultPlan) -> (Arc<FaultyTransport<MemoryTransport>>, Client) {
        let faulty = Arc::new(FaultyTransport::new(self.broker.clone(), plan));
        let transport: Arc<dyn Transport> = faulty.clone();
        let client = Client::new(transport).clock(Arc::new(self.clock.clone()));
        (faulty, client)
    }

    async fn open(&self) -> Box<dyn Subscription> {
        self.broker.subscribe(&QueueName::default(), LEASE).await.unwrap()
    }

    async fn enqueue(&self) -> JobKey {
        let job = self.client.enqueue_task("t", &()).unwrap().id("a").await.unwrap();
        JobKey { queue: job.queue().clone(), id: job.id().clone() }
    }

    /// Makes a dead letter.
    async fn letter(&self) -> Stored {
        let key = self.enqueue().await;
        let delivery = one(&mut self.open().await).await;
        let letter = DeadLetter {
            step: delivery.step(),
            task: None,
            error_kind: ErrorKind::ERROR,
            message: String::new(),
            rule: naq_core::retry::Rule::MaxRetries,
            reason: String::new(),
            died_at: self.clock.now(),
            content_type: None,
            body: delivery.stored.message.body.clone(),
        };
        let fact = Fact::dead(&delivery.stored, &letter);
        self.client.transport().write(&fact).await.unwrap();
        delivery.handle.ack().await.unwrap();
        self.broker.locate(&key).await.unwrap().remove(0)
    }
}

async fn fetch(sub: &mut Box<dyn Subscription>) -> Vec<Delivery> {
    sub.fetch(10, Duration::ZERO).await.unwrap()
}

async fn one(sub: &mut Box<dyn Subscription>) -> Delivery {
    let mut all = fetch(sub).await;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn points(ops: impl IntoIterator<Item = Op>) -> impl Iterator<Item = DiePoint> {
    ops.into_iter().flat_map(|op| [DiePoint::Before(op), DiePoint::After(op)])
}

#[tokio::test]
async fn an_enqueue_whose_answer_was_lost_can_be_repeated() {
    let world = World::new();
    let (_, client) = world.faulty(FaultPlan::new().on(Op::Publish, 1, 2, Fault::Timeout));
    for _ in 0..2 {
        let answer = client.enqueue_task("t", &()).unwrap().id("a").await;
        assert!(matches!(answer, Err(EnqueueError::Transport(err)) if err.is_transient()));
    }
    assert!(client.enqueue_task("t", &()).unwrap().id("a").await.unwrap().is_duplicate());
    one(&mut world.open().await).await;
}

#[tokio::test]
async fn a_cancel_that_crashes_anywhere_can_be_completed() {
    for point in points([Op::Record, Op::Remove, Op::Signal]) {
        for delay in [None, Some(Duration::from_secs(60))] {
            let world = World::new();
            let job = world.client.enqueue_task("t", &()).unwrap();
            let job = match delay {
                Some(delay) => job.delay(delay).await.unwrap(),
                None => job.await.unwrap(),
            };
            let key = JobKey { queue: job.queue().clone(), id: job.id().clone() };
            let (faulty, doomed) = world.faulty(FaultPlan::new().die_at(point, 1));
            assert!(doomed.cancel(&key, "not needed").await.is_err());
            assert_eq!(faulty.died_at(), Some(point));
            // Repeated by another process: done now, or done already.
            match world.client.cancel(&key, "not needed").await {
                Ok(report) => assert_eq!(report.state, JobState::Cancelled, "{point}"),
                Err(ClientError::State { state, .. }) => assert_eq!(state, JobState::Cancelled),
                Err(err) => panic!("{point}: {err}"),
            }
            let mut sub = world.open().await;
            world.clock.advance(Duration::from_secs(61)).await;
            assert!(fetch(&mut sub).await.is_empty(), "{point}: a cancelled job starts");
        }
    }
}

#[tokio::test]
async fn a_requeue_that_crashes_anywhere_starts_one_life_when_it_is_repeated() {
    // At once, within the broker's dedup window, and long after it.
    for later in [0, 60, 3000].map(Duration::from_secs) {
        for point in points([Op::Evidence, Op::Publish, Op::Remove]) {
            let world = World::new();
            let letter = world.letter().await;
            let (faulty, doomed) = world.faulty(FaultPlan::new().die_at(point, 1));
            assert!(doomed.requeue(&letter, None).await.is_err());
            assert_eq!(faulty.died_at(), Some(point));
            world.clock.advance(later).await;
            world.client.requeue(&letter, None).await.unwrap();
            let mut sub = world.open().await;
            one(&mut sub).await;
            assert_eq!(world.broker.locate(&letter.key).await.unwrap().len(), 1, "{point}");
        }
    }
}

#[tokio::test]
async fn a_retry_now_that_crashes_starts_the_job_once() {
    for point in points([Op::Release]) {
        let world = World::new();
        let wait = Duration::from_secs(60);
        world.client.enqueue_task("t", &()).unwrap().id("a").delay(wait).await.unwrap();
        let key = JobKey { queue: QueueName::default(), id: JobId::new("a").unwrap() };
        let (_, doomed) = world.faulty(FaultPlan::new().die_at(point, 1));
        assert!(doomed.retry_now(&key).await.is_err());
        let mut sub = world.open().await;
        world.clock.advance(wait).await;
        one(&mut sub).await;
    }
}

#[tokio::test]
async fn an_id_can_be_used_again_when_its_job_is_over_and_the_window_has_passed() {
    let world = World::new();
    world.enqueue().await;
    let again = || world.client.enqueue_task("t", &()).unwrap().id("a");
    world.clock.advance(Duration::from_secs(121)).await;
    assert!(again().await.unwrap().is_duplicate(), "the job still waits");
    one(&mut world.open().await).await.handle.ack().await.unwrap();
    assert!(!again().await.unwrap().is_duplicate());
}

#[tokio::test]
async fn no_request_reaches_the_broker_after_a_crash() {
    let world = World::new();
    let seen = Arc::new(AtomicBool::new(false));
    let hook = seen.clone();
    let plan = FaultPlan::new().die_at("after-fetch".parse().unwrap(), 1);
    let faulty = FaultyTransport::with_die_hook(world.broker.clone(), plan, move |point| {
        assert_eq!(point, DiePoint::After(Op::Fetch));
        hook.store(true, Ordering::SeqCst);
    });
    let mut sub = faulty.subscribe(&QueueName::default(), LEASE).await.unwrap();
    world.enqueue().await;
    assert!(sub.fetch(1, Duration::ZERO).await.is_err());
    assert!(seen.load(Ordering::SeqCst));
    assert_eq!(faulty.died().await, DiePoint::After(Op::Fetch));
    let gone = sub.fetch(1, Duration::ZERO).await;
    assert!(matches!(gone, Err(TransportError::Unreachable { .. })), "{gone:?}");
    assert!(faulty.queues().await.is_err());
    // It was delivered, and is redelivered to another worker.
    let mut other = world.open().await;
    assert!(fetch(&mut other).await.is_empty());
    world.clock.advance(LEASE).await;
    assert_eq!(one(&mut other).await.delivered, 2);
}

#[tokio::test]
async fn a_lost_ack_leads_to_a_redelivery() {
    let world = World::new();
    let plan = FaultPlan::new().on(Op::Ack, 1, 1, Fault::Lost);
    let (faulty, _) = world.faulty(plan);
    let mut sub = faulty.subscribe(&QueueName::default(), LEASE).await.unwrap();
    world.enqueue().await;
    one(&mut sub).await.handle.ack().await.unwrap();
    world.clock.advance(LEASE).await;
    let again = one(&mut sub).await;
    assert!(again.suspect);
    again.handle.ack().await.unwrap();
    assert_eq!(faulty.calls(Op::Ack), 2);
    world.clock.advance(LEASE).await;
    assert!(fetch(&mut sub).await.is_empty());
}

#[tokio::test]
async fn no_request_passes_while_the_connection_is_cut() {
    let world = World::new();
    let (faulty, client) = world.faulty(FaultPlan::new());
    let mut sub = faulty.subscribe(&QueueName::default(), LEASE).await.unwrap();
    // A fetch that has started gets nothing either.
    let (fetched, ()) = tokio::join!(sub.fetch(1, Duration::from_secs(60)), async {
        world.clock.advance(Duration::from_secs(1)).await;
        faulty.cut();
    });
    assert!(fetched.is_err_and(|err| err.is_transient()));
    world.enqueue().await;
    assert!(client.enqueue_task("t", &()).unwrap().await.is_err());
    faulty.mend();
    assert_eq!(one(&mut sub).await.delivered, 1, "it was not delivered during the cut");
    faulty.set_plan(FaultPlan::new().on(Op::Publish, 1, 1, Fault::Unreachable));
    assert!(client.enqueue_task("t", &()).unwrap().await.is_err());
    assert!(client.enqueue_task("t", &()).unwrap().await.is_ok());
}

#[tokio::test]
async fn a_cancel_that_stored_its_record_never_says_that_there_is_no_job() {
    for n in 1..=8 {
        let world = World::new();
        let key = world.enqueue().await;
        // A replica of a cluster that is behind finds nothing.
        let (_, client) = world.faulty(FaultPlan::new().on(Op::Other, n, 1, Fault::Lost));
        let answer = client.cancel(&key, "not needed").await;
        let state = world.client.report(&key).await.unwrap().state;
        assert_eq!(answer.is_ok(), state == JobState::Cancelled, "{n}: {answer:?}");
    }
}
