//! Unique keys, with a crash between any two steps of an enqueue: no caller gets a job that does not
//! exist, and no key is held for ever.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/world.rs"]
mod world;

use std::sync::Arc;
use std::time::Duration;

use naq_client::{Client, Enqueue, JobHandle};
use naq_core::QueueName;
use naq_core::testing::{DiePoint, Fault, FaultPlan, FaultyTransport, Op};
use naq_core::transport::{
    Consumer, Delivery, Expect, JobKey, Lookup, Operator, Place, Settler, StateKey, StateStore,
    Transport,
};
use naq_memory::MemoryTransport;

use crate::world::World;

const LEASE: Duration = Duration::from_secs(10);
const KEY: &str = "order-2317";

type Handle = JobHandle<serde_json::Value>;

impl World {
    fn faulty(&self, plan: FaultPlan) -> (Arc<FaultyTransport<MemoryTransport>>, Client) {
        let faulty = Arc::new(FaultyTransport::new(self.broker.clone(), plan));
        let transport: Arc<dyn Transport> = faulty.clone();
        (faulty, Client::new(transport).clock(Arc::new(self.clock.clone())))
    }

    async fn fetch(&self) -> Vec<Delivery> {
        let queue = QueueName::default();
        let mut sub = self.broker.subscribe(&queue, LEASE).await.unwrap();
        sub.fetch(10, Duration::ZERO).await.unwrap()
    }

    async fn pending(&self) -> u64 {
        let info = self.broker.queue_info(&QueueName::default()).await.unwrap();
        info.map_or(0, |info| info.pending)
    }

    async fn is_key_taken(&self) -> bool {
        let key = StateKey::new(["key", "default", KEY]).unwrap();
        self.broker.state_get(&[key]).await.unwrap()[0].is_some()
    }

    async fn exists(&self, handle: &Handle) -> bool {
        let key = JobKey { queue: handle.queue().clone(), id: handle.id().clone() };
        !self.broker.locate(&key).await.unwrap().is_empty()
    }
}

fn task(client: &Client) -> Enqueue<'_, serde_json::Value> {
    client.enqueue_task("t", &()).unwrap()
}

#[tokio::test]
async fn after_a_crash_anywhere_the_next_enqueuer_names_a_stored_job() {
    for (point, there) in [
        (DiePoint::Before(Op::State), false),
        (DiePoint::After(Op::State), true),
        (DiePoint::Before(Op::Publish), true),
        (DiePoint::After(Op::Publish), true),
    ] {
        for delay in [Duration::ZERO, Duration::from_secs(3600)] {
            let world = World::new();
            let (_, doomed) = world.faulty(FaultPlan::new().die_at(point, 1));
            task(&doomed).unique(KEY).delay(delay).await.unwrap_err();
            let next = task(&world.client).unique(KEY).await.unwrap();
            assert_eq!(next.is_duplicate(), there, "{point}");
            assert!(world.exists(&next).await, "{point}");
            // A later enqueuer finds the same job.
            for wait in [1, 29, 31, 3600] {
                world.clock.advance(Duration::from_secs(wait)).await;
                let again = task(&world.client).unique(KEY).await.unwrap();
                assert_eq!((again.id(), again.is_duplicate()), (next.id(), true), "{point} {wait}");
            }
            assert_eq!(world.pending().await, 1, "{point}");
        }
    }
}

#[tokio::test]
async fn a_key_whose_job_was_never_stored_is_free_after_a_while() {
    let world = World::new();
    let (_, doomed) = world.faulty(FaultPlan::new().die_at(DiePoint::After(Op::State), 1));
    task(&doomed).unique(KEY).await.unwrap_err();
    world.clock.advance(Duration::from_secs(30)).await;
    let next = task(&world.client).unique(KEY).await.unwrap();
    assert!(!next.is_duplicate());
    assert_eq!(world.fetch().await.len(), 1);
}

#[tokio::test]
async fn a_key_for_a_fixed_time_is_confirmed_or_its_job_is_known_by_its_messages() {
    let hour = Duration::from_secs(3600);
    for (point, nth) in [
        (DiePoint::After(Op::State), 1),
        (DiePoint::After(Op::Publish), 1),
        (DiePoint::Before(Op::State), 2),
        (DiePoint::After(Op::State), 2),
    ] {
        let world = World::new();
        let (faulty, doomed) = world.faulty(FaultPlan::new().die_at(point, nth));
        let broken_off = task(&doomed).unique_for(KEY, hour).await;
        assert_eq!(
            broken_off.is_ok(),
            nth == 2,
            "a failed confirmation is no error for the caller"
        );
        assert_eq!(faulty.died_at(), Some(point));
        let next = task(&world.client).unique_for(KEY, hour).await.unwrap();
        assert!(next.is_duplicate() && world.exists(&next).await, "{point} {nth}");
        assert_eq!(world.fetch().await.len(), 1, "{point} {nth}");
        world.clock.advance(hour).await;
        let later = task(&world.client).unique_for(KEY, hour).await.unwrap();
        assert!(!later.is_duplicate(), "{point} {nth}");
    }
}

#[tokio::test]
async fn a_job_that_the_broker_refuses_frees_its_key() {
    let world = World::new();
    let plan = FaultPlan::new().on(Op::Publish, 1, 1, Fault::Refused);
    let (_, client) = world.faulty(plan);
    task(&client).unique(KEY).await.unwrap_err();
    assert!(!world.is_key_taken().await);
    assert!(!task(&world.client).unique(KEY).await.unwrap().is_duplicate());
}

#[tokio::test]
async fn after_a_lost_answer_a_repeated_enqueue_names_the_stored_job() {
    for (op, fault) in [
        (Op::Publish, Fault::Timeout),
        (Op::Publish, Fault::Unreachable),
        (Op::State, Fault::Timeout),
    ] {
        let world = World::new();
        let (_, client) = world.faulty(FaultPlan::new().on(op, 1, 1, fault));
        task(&client).unique(KEY).await.unwrap_err();
        let again = task(&client).unique(KEY).await.unwrap();
        assert!(again.is_duplicate() && world.exists(&again).await, "{op:?} {fault:?}");
        assert_eq!(world.fetch().await.len(), 1, "{op:?} {fault:?}");
    }
}

#[tokio::test]
async fn a_purged_job_holds_no_key_and_is_not_stored_again() {
    for age in [0, 10, 60] {
        let world = World::new();
        let purged = task(&world.client).unique(KEY).await.unwrap();
        world.clock.advance(Duration::from_secs(age)).await;
        world.broker.purge(&QueueName::default()).await.unwrap();
        let next = task(&world.client).unique(KEY).await.unwrap();
        assert!(!next.is_duplicate(), "after {age} s");
        assert!(!world.exists(&purged).await && world.exists(&next).await, "after {age} s");
    }
}

#[tokio::test]
async fn a_chosen_id_that_exists_already_takes_no_key() {
    let world = World::new();
    task(&world.client).id("a").await.unwrap();
    let same_id = task(&world.client).id("a").unique(KEY).await.unwrap();
    assert!(same_id.is_duplicate() && same_id.held_by().is_none());
    assert!(!world.is_key_taken().await);
}

#[tokio::test]
async fn a_requeue_that_crashes_after_taking_the_key_is_completed_by_the_next() {
    for point in [
        DiePoint::After(Op::State),
        DiePoint::Before(Op::Publish),
        DiePoint::After(Op::Publish),
        DiePoint::Before(Op::Remove),
        DiePoint::After(Op::Remove),
    ] {
        let world = World::new();
        let job = task(&world.client).id("a").unique(KEY).await.unwrap();
        let delivery = world.fetch().await.remove(0);
        world.client.free_unique(&delivery.envelope().unwrap()).await.unwrap();
        let letter = letter(&world, &delivery).await;
        let (_, doomed) = world.faulty(FaultPlan::new().die_at(point, 1));
        doomed.requeue(&letter, None).await.unwrap_err();
        // The next enqueuer gets the life that was started.
        let other = task(&world.client).unique(KEY).await.unwrap();
        assert_eq!((other.id(), other.is_duplicate()), (job.id(), true), "{point}");
        world.client.requeue(&letter, None).await.unwrap();
        assert_eq!(world.fetch().await.len(), 1, "{point}: one life");
        let letters = world.broker.dead_letters(None, 0, 10).await.unwrap().letters;
        assert!(letters.is_empty(), "{point}");
    }
}

/// Lets the job die, and returns its letter.
async fn letter(world: &World, delivery: &Delivery) -> naq_core::transport::Stored {
    let letter = naq_core::DeadLetter {
        step: delivery.step(),
        task: None,
        error_kind: naq_core::ErrorKind::ERROR,
        message: String::new(),
        rule: naq_core::retry::Rule::MaxRetries,
        reason: String::new(),
        died_at: naq_core::Clock::now(&world.clock),
        content_type: None,
        body: delivery.stored.message.body.clone(),
    };
    let fact = naq_core::transport::Fact::dead(&delivery.stored, &letter);
    world.broker.write(&fact).await.unwrap();
    delivery.handle.ack().await.unwrap();
    let found = world.broker.locate(&delivery.stored.key).await.unwrap();
    found.into_iter().find(|stored| stored.place == Place::Dead).unwrap()
}

/// A producer of `mail` plants a claim with a job for another queue, and the next client of that queue wants
/// the key.
#[tokio::test]
async fn a_claim_that_another_queues_producer_planted_is_not_run() {
    for wide in [false, true] {
        let world = World::new();
        let (_, doomed) = world.faulty(FaultPlan::new().die_at(DiePoint::After(Op::State), 1));
        let evil = task(&doomed).queue("billing").unique(KEY).unique_across_queues();
        evil.await.unwrap_err();
        if !wide {
            // The attacker puts it where a key of the queue `default` is.
            let wide = StateKey::new(["key", KEY]).unwrap();
            let value = world.broker.state_get(&[wide]).await.unwrap()[0].clone().unwrap().value;
            let key = StateKey::new(["key", "default", KEY]).unwrap();
            world.broker.state_put(&key, value, Expect::Any, None).await.unwrap();
        }
        let victim = || {
            let job = task(&world.client).unique(KEY);
            if wide { job.unique_across_queues() } else { job }
        };
        let refused = victim().await.unwrap_err().to_string();
        assert!(refused.contains("billing/") && refused.contains("not stored yet"), "{refused}");
        let billing = QueueName::new("billing").unwrap();
        let planted = world.broker.queue_info(&billing).await.unwrap();
        assert_eq!(planted.map_or(0, |info| info.pending), 0, "the planted job is not stored");
        world.clock.advance(Duration::from_secs(30)).await;
        assert!(!victim().await.unwrap().is_duplicate(), "the claim has lapsed");
        assert_eq!(world.pending().await, 1);
    }
}

#[tokio::test]
async fn a_key_is_unique_in_its_queue_unless_it_is_asked_for_over_all_queues() {
    let world = World::new();
    let job = |queue: &str| task(&world.client).queue(queue).unique(KEY);
    assert!(!job("a").await.unwrap().is_duplicate());
    assert!(!job("b").await.unwrap().is_duplicate(), "another queue");
    assert!(job("a").await.unwrap().is_duplicate());
    let wide = |queue: &str| job(queue).unique_across_queues();
    assert!(!wide("a").await.unwrap().is_duplicate(), "another key");
    assert!(wide("b").await.unwrap().is_duplicate(), "one over all queues");
}

#[tokio::test]
async fn names_of_naqs_own_jobs_are_refused_at_enqueue() {
    let world = World::new();
    let client = &world.client;
    let errors = [
        client.enqueue_task("naq.wake", &()).unwrap().await.unwrap_err(),
        client.enqueue_task("naq.anything", &()).unwrap().await.unwrap_err(),
        task(client).queue("naq-chores").await.unwrap_err(),
        task(client).on_exhausted_job("naq.tick").await.unwrap_err(),
        task(client).on_exhausted_job("t@naq-chores").await.unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains("reserved"), "{error}");
    }
    assert!(client.enqueue_task("naqs.wake", &()).unwrap().await.is_ok());
    assert_eq!(world.pending().await, 1);
}
