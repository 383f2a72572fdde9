//! Batches that crash between any two of their steps, and are continued by another process.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/world.rs"]
mod world;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use naq_client::{
    Batch, BatchAction, BatchError, BatchOrder, BatchScope, BatchState, Client, DeadFilter,
    STALE_AFTER, WaitingFilter,
};
use naq_core::retry::Rule;
use naq_core::testing::{DiePoint, Fault, FaultPlan, FaultyTransport, Op};
use naq_core::transport::{
    Consumer, Delivery, Fact, Lookup, Operator, Place, Stored, Subscription, Transport,
};
use naq_core::{Clock, DeadLetter, ErrorKind, QueueName};
use naq_memory::MemoryTransport;

use crate::world::World;

const LEASE: Duration = Duration::from_secs(10);
const LETTERS: usize = 3;

fn queue() -> QueueName {
    QueueName::default()
}

impl World {
    /// A process that fails as planned.
    fn faulty(&self, plan: FaultPlan) -> (Arc<FaultyTransport<MemoryTransport>>, Client) {
        let faulty = Arc::new(FaultyTransport::new(self.broker.clone(), plan));
        let transport: Arc<dyn Transport> = faulty.clone();
        (faulty, Client::new(transport).clock(Arc::new(self.clock.clone())))
    }

    async fn open(&self) -> Box<dyn Subscription> {
        self.broker.subscribe(&queue(), LEASE).await.unwrap()
    }

    async fn fetch(&self, sub: &mut Box<dyn Subscription>) -> Vec<Delivery> {
        let fetched = sub.fetch(100, Duration::from_millis(1));
        let (fetched, ()) = tokio::join!(fetched, self.clock.advance(Duration::from_millis(2)));
        fetched.unwrap()
    }

    /// Makes dead letters.
    async fn letters(&self) -> Vec<Stored> {
        let mut sub = self.open().await;
        for n in 0..LETTERS {
            let id = format!("job-{n}");
            self.client.enqueue_task("t", &[n]).unwrap().id(id).await.unwrap();
        }
        for delivery in self.fetch(&mut sub).await {
            let letter = DeadLetter {
                step: delivery.step(),
                task: None,
                error_kind: ErrorKind::ERROR,
                message: "went wrong".into(),
                rule: Rule::MaxRetries,
                reason: String::new(),
                died_at: self.clock.now(),
                content_type: None,
                body: delivery.stored.message.body.clone(),
            };
            let fact = Fact::dead(&delivery.stored, &letter);
            self.client.transport().write(&fact).await.unwrap();
            delivery.handle.ack().await.unwrap();
        }
        self.all_letters().await
    }

    /// All dead letters.
    async fn all_letters(&self) -> Vec<Stored> {
        let mut letters = self.broker.dead_letters(None, 0, 100).await.unwrap().letters;
        letters.sort_by(|a, b| (&a.key, a.seq).cmp(&(&b.key, b.seq)));
        letters
    }

    async fn start(&self) -> Batch {
        let action = BatchAction::RequeueDead { per_second: Some(1.0) };
        let scope = BatchScope::Dead(DeadFilter::default());
        // Longer than the time after which another process continues a batch that crashed.
        let order = BatchOrder::new(action, scope, "ann").undo_window(2 * STALE_AFTER);
        self.client.start_batch(order).await.unwrap()
    }

    /// Another process continues the batch, once the first one counts as crashed.
    async fn continue_batch(&self, batch: &Batch) -> Batch {
        let now = self.client.batch(&batch.id).await.unwrap();
        if now.is_busy(self.clock.now()) {
            let refused = self.client.run_batch(&batch.id, || false).await;
            assert!(matches!(refused, Err(BatchError::Busy(_))), "{refused:?}");
        }
        self.clock.advance(STALE_AFTER).await;
        self.client.run_batch(&batch.id, || false).await.unwrap()
    }

    /// Runs all jobs that are due within `span`. Returns how often each one ran.
    async fn run_all(&self, span: Duration) -> HashMap<String, u32> {
        let (mut sub, mut runs) = (self.open().await, HashMap::new());
        let end = self.clock.now() + span;
        while self.clock.now() < end {
            for delivery in self.fetch(&mut sub).await {
                *runs.entry(delivery.stored.key.id.to_string()).or_default() += 1;
                delivery.handle.ack().await.unwrap();
            }
            self.clock.advance(span / 50).await;
        }
        runs
    }
}

fn each_once() -> HashMap<String, u32> {
    (0..LETTERS).map(|n| (format!("job-{n}"), 1)).collect()
}

fn messages(letters: &[Stored]) -> Vec<(String, naq_core::wire::WireMessage)> {
    letters.iter().map(|letter| (letter.key.to_string(), letter.message.clone())).collect()
}

/// Each point at which a requeue of three letters, or its undo, can crash in these calls.
fn steps(ops: &[Op]) -> impl Iterator<Item = (DiePoint, u32)> {
    let points = |op: &Op| [DiePoint::Before(*op), DiePoint::After(*op)];
    ops.iter().flat_map(points).flat_map(|point| (1..=3).map(move |nth| (point, nth)))
}

#[tokio::test]
async fn a_requeue_that_crashes_anywhere_is_continued_and_each_job_runs_once() {
    for (point, nth) in steps(&[Op::State, Op::Blob, Op::Publish, Op::Remove]) {
        let world = World::new();
        world.letters().await;
        let batch = world.start().await;
        let (faulty, doomed) = world.faulty(FaultPlan::new().die_at(point, nth));
        let run = doomed.run_batch(&batch.id, || false).await;
        assert_eq!(run.is_err(), faulty.died_at().is_some(), "{point} {nth}: {run:?}");
        let batch = world.continue_batch(&batch).await;
        assert_eq!(batch.state, BatchState::Done, "{point} {nth}");
        assert_eq!((batch.done, batch.failed), (LETTERS as u64, 0), "{point} {nth}: {batch:?}");
        assert_eq!(world.all_letters().await, [], "{point} {nth}");
        assert_eq!(world.run_all(Duration::from_secs(600)).await, each_once(), "{point} {nth}");
    }
}

#[tokio::test]
async fn an_undo_that_crashes_anywhere_is_continued_and_each_letter_is_as_it_was() {
    let mut died = 0;
    for (point, nth) in steps(&[Op::State, Op::Reschedule, Op::Dead, Op::Remove]) {
        let world = World::new();
        let before = world.letters().await;
        let batch = world.start().await;
        world.client.run_batch(&batch.id, || false).await.unwrap();
        let (faulty, doomed) = world.faulty(FaultPlan::new().die_at(point, nth));
        let undone = doomed.undo_batch(&batch.id, "ann", || false).await;
        assert_eq!(undone.is_err(), faulty.died_at().is_some(), "{point} {nth}: {undone:?}");
        died += u32::from(undone.is_err());
        // No job is lost: it waits, or it has a letter.
        let waiting = world.broker.waiting();
        for letter in &before {
            let there = |all: &[Stored]| all.iter().any(|it| it.key == letter.key);
            assert!(there(&waiting) || there(&world.all_letters().await), "{point} {nth}");
        }
        let begun = world.client.batch(&batch.id).await.unwrap().state != BatchState::Done;
        if begun {
            let batch = world.continue_batch(&batch).await;
            assert_eq!(batch.state, BatchState::Undone, "{point} {nth}");
        } else {
            world.client.undo_batch(&batch.id, "ann", || false).await.unwrap();
        }
        assert_eq!(messages(&world.all_letters().await), messages(&before), "{point} {nth}");
        assert_eq!(world.broker.waiting(), []);
        let runs = world.run_all(Duration::from_secs(3 * 86_400)).await;
        assert_eq!(runs, HashMap::new(), "{point} {nth}");
    }
    assert!(died >= 20, "{died}");
}

#[tokio::test]
async fn an_undo_that_is_not_continued_loses_no_job_and_runs_none_twice() {
    for (point, nth) in steps(&[Op::Reschedule, Op::Dead, Op::Remove]) {
        let world = World::new();
        world.letters().await;
        let batch = world.start().await;
        world.client.run_batch(&batch.id, || false).await.unwrap();
        let (_, doomed) = world.faulty(FaultPlan::new().die_at(point, nth));
        let _ = doomed.undo_batch(&batch.id, "ann", || false).await;
        // A letter whose job still waits cannot be requeued.
        let waiting = world.broker.waiting();
        for letter in world.all_letters().await {
            let held = waiting.iter().any(|it| it.key == letter.key);
            if held {
                let refused = world.client.requeue(&letter, None).await;
                assert!(refused.is_err(), "{point} {nth}: {refused:?}");
            }
        }
        let letters = world.all_letters().await;
        let runs = world.run_all(Duration::from_secs(2 * 86_400)).await;
        for n in 0..LETTERS {
            let id = format!("job-{n}");
            let ran = runs.get(&id).copied().unwrap_or_default();
            let stands = letters.iter().filter(|it| it.key.id.as_str() == id).count();
            assert!(ran <= 1 && stands <= 1 && ran + stands as u32 >= 1, "{point} {nth}: {id}");
        }
    }
}

#[tokio::test]
async fn an_undo_that_is_continued_too_late_removes_its_restored_letters() {
    let world = World::new();
    world.letters().await;
    let batch = world.start().await;
    world.client.run_batch(&batch.id, || false).await.unwrap();
    // All letters are restored, and all lives are parked.
    let plan = FaultPlan::new().on(Op::Remove, 1, u32::MAX, Fault::DieBefore);
    let (_, doomed) = world.faulty(plan);
    doomed.undo_batch(&batch.id, "ann", || false).await.unwrap_err();
    let before = world.all_letters().await.len();
    assert!(before > 0);
    // No process continues the undo, and the jobs start.
    world.clock.advance(Duration::from_secs(86_401)).await;
    let mut sub = world.open().await;
    let running = world.fetch(&mut sub).await;
    assert_eq!(running.len(), LETTERS);
    let batch = world.continue_batch(&batch).await;
    assert_eq!((batch.state, batch.undone), (BatchState::Undone, 0), "{batch:?}");
    assert_eq!(world.all_letters().await, [], "each job runs, and has no dead letter");
}

#[tokio::test]
async fn waiting_jobs_are_moved_once_even_if_a_spread_crashes() {
    for (point, nth) in steps(&[Op::State, Op::Reschedule]) {
        let world = World::new();
        for n in 0..LETTERS {
            let job = world.client.enqueue_task("t", &[n]).unwrap().id(format!("job-{n}"));
            job.delay(Duration::from_secs(60)).await.unwrap();
        }
        let over = Duration::from_secs(3600);
        let scope = BatchScope::Waiting(WaitingFilter::default());
        let order = BatchOrder::new(BatchAction::Spread { over }, scope, "ann");
        let batch = world.client.start_batch(order).await.unwrap();
        let (_, doomed) = world.faulty(FaultPlan::new().die_at(point, nth));
        let _ = doomed.run_batch(&batch.id, || false).await;
        let batch = world.continue_batch(&batch).await;
        assert_eq!((batch.state, batch.done), (BatchState::Done, 3), "{point} {nth}: {batch:?}");
        let waiting = world.broker.waiting();
        assert!(waiting.iter().all(|it| it.place == Place::Schedule && it.seq > 3), "{waiting:?}");
        assert_eq!(world.run_all(over * 2).await, each_once(), "{point} {nth}");
    }
}

#[tokio::test]
async fn a_refusal_of_one_letter_does_not_stop_the_others() {
    let world = World::new();
    let letters = world.letters().await;
    let batch = world.start().await;
    let (_, client) = world.faulty(FaultPlan::new().on(Op::Publish, 2, 1, Fault::Refused));
    let batch = client.run_batch(&batch.id, || false).await.unwrap();
    assert_eq!((batch.done, batch.failed, batch.state), (2, 1, BatchState::Done), "{batch:?}");
    assert!(batch.first_failure.is_some_and(|why| why.contains("the plan says so")));
    assert_eq!(world.all_letters().await, letters[1..2]);
}

#[tokio::test]
async fn a_move_with_a_lost_answer_is_made_once() {
    let world = World::new();
    world.client.enqueue_task("t", &()).unwrap().id("a").delay(LEASE).await.unwrap();
    let stored = world.broker.waiting().remove(0);
    let due_at = world.clock.now() + 2 * LEASE;
    for point in [DiePoint::Before(Op::Reschedule), DiePoint::After(Op::Reschedule)] {
        let (faulty, _) = world.faulty(FaultPlan::new().die_at(point, 1));
        faulty.reschedule(&stored, due_at).await.unwrap_err();
        let moved = world.broker.reschedule(&stored, due_at).await.unwrap();
        assert_eq!(moved, point == DiePoint::Before(Op::Reschedule));
    }
    let waiting = world.broker.waiting();
    assert_eq!((waiting.len(), waiting[0].due_at), (1, Some(due_at)));
}

#[tokio::test]
async fn items_that_change_after_a_crash_of_the_batch_are_skipped() {
    let world = World::new();
    let letters = world.letters().await;
    let batch = world.start().await;
    let (_, doomed) = world.faulty(FaultPlan::new().die_at(DiePoint::Before(Op::Publish), 1));
    doomed.run_batch(&batch.id, || false).await.unwrap_err();
    assert_eq!(world.all_letters().await, letters, "no letter is requeued yet");
    assert!(world.client.purge_dead(&letters[0]).await.unwrap());
    let batch = world.continue_batch(&batch).await;
    assert_eq!((batch.done, batch.skipped, batch.state), (2, 1, BatchState::Done), "{batch:?}");
}

#[tokio::test]
async fn a_first_page_that_crashed_can_be_undone() {
    let world = World::new();
    let letters = world.letters().await;
    let batch = world.start().await;
    let (_, doomed) = world.faulty(FaultPlan::new().die_at(DiePoint::Before(Op::Remove), 3));
    doomed.run_batch(&batch.id, || false).await.unwrap_err();
    assert!(!world.broker.waiting().is_empty(), "some was done");
    world.clock.advance(STALE_AFTER).await;
    assert!(world.client.batch(&batch.id).await.unwrap().can_be_undone(world.clock.now()));
    let batch = world.client.undo_batch(&batch.id, "ann", || false).await.unwrap();
    assert_eq!(batch.state, BatchState::Undone, "{batch:?}");
    assert_eq!(messages(&world.all_letters().await), messages(&letters));
    assert_eq!(world.broker.waiting(), []);
}

#[tokio::test]
async fn an_undo_that_is_not_continued_parks_no_job_for_long() {
    let world = World::new();
    world.letters().await;
    let batch = world.start().await;
    world.client.run_batch(&batch.id, || false).await.unwrap();
    let plan = FaultPlan::new().on(Op::Dead, 1, u32::MAX, Fault::DieBefore);
    let (_, doomed) = world.faulty(plan);
    doomed.undo_batch(&batch.id, "ann", || false).await.unwrap_err();
    assert_eq!(world.run_all(Duration::from_secs(1800)).await, each_once());
}
