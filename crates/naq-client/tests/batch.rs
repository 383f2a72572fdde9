//! Operators' actions leave NAQ's own jobs alone, and store texts short and without secrets.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/world.rs"]
mod world;

use std::time::Duration;

use naq_client::{
    AuditEntry, BatchAction, BatchError, BatchOrder, BatchScope, COUNT_CAP, DeadFilter, LiveFilter,
    WaitingFilter,
};
use naq_core::names::CHORES;
use naq_core::retry::Rule;
use naq_core::transport::{Consumer, Fact, JobKey, Submission, TransportError};
use naq_core::{
    Clock, Codec, DeadLetter, Envelope, ErrorKind, JobId, JobState, Payload, QueueName, TaskName,
    Timestamp,
};

use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);

fn queue(name: &str) -> QueueName {
    QueueName::new(name).unwrap()
}

fn key(queue: &str, id: &str) -> JobKey {
    JobKey { queue: self::queue(queue), id: JobId::new(id).unwrap() }
}

impl World {
    async fn waiting(&self, queue: &str, id: &str) {
        self.store(queue, id, Some(self.clock.now() + MINUTE)).await;
    }

    /// Stores a job as NAQ itself does. A user cannot enqueue into the queue of the chores.
    async fn store(&self, name: &str, id: &str, due_at: Option<Timestamp>) {
        let (key, task) = (key(name, id), TaskName::new("t").unwrap());
        let args = Payload::null(Codec::Json);
        let mut job =
            Envelope::new(key.queue.clone(), key.id.clone(), task, args, self.clock.now());
        job.due_at = due_at;
        let (dedup, message) = (id.to_owned(), job.to_message().unwrap());
        let submission = Submission { key, due_at, dedup, unique: false, message };
        self.client.transport().publish(submission).await.unwrap();
    }

    async fn dead(&self, name: &str, id: &str) {
        let mut sub = self.broker.subscribe(&queue(name), MINUTE).await.unwrap();
        self.store(name, id, None).await;
        let delivery = sub.fetch(1, Duration::from_millis(1)).await.unwrap().remove(0);
        let letter = DeadLetter {
            step: delivery.step(),
            task: Some(TaskName::new("t").unwrap()),
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
}

#[tokio::test]
async fn a_batch_over_all_queues_skips_chores() {
    let world = World::new();
    world.waiting("mail", "job").await;
    world.waiting(CHORES, "tick").await;
    let by_task = |queue| {
        let task = Some(TaskName::new("t").unwrap());
        BatchScope::Waiting(WaitingFilter { queue, task, ..WaitingFilter::default() })
    };
    for scope in [BatchScope::Waiting(WaitingFilter::default()), by_task(None)] {
        assert_eq!(world.client.preview_batch(&scope).await.unwrap().count, 1);
    }
    let order = BatchOrder::new(BatchAction::Cancel, by_task(None), "ann");
    let batch = world.client.start_batch(order).await.unwrap();
    let batch = world.client.run_batch(&batch.id, || false).await.unwrap();
    assert_eq!((batch.total, batch.done), (1, 1), "{batch:?}");
    let tick = world.client.report(&key(CHORES, "tick")).await.unwrap();
    assert_eq!(tick.state, JobState::Scheduled);
    // A filter that names their queue includes them.
    let named = by_task(Some(queue(CHORES)));
    assert_eq!(world.client.preview_batch(&named).await.unwrap().count, 1);
}

#[tokio::test]
async fn a_cancel_of_live_jobs_reads_all_queues_and_skips_chores() {
    let world = World::new();
    // The first queue fills the first page exactly.
    for id in 0..100 {
        world.store("a", &format!("pending-{id}"), None).await;
    }
    world.store("b", "pending", None).await;
    world.waiting("c", "waits").await;
    world.waiting(CHORES, "tick").await;
    let scope = BatchScope::Live(LiveFilter::default());
    let wrong = BatchOrder::new(BatchAction::Release, scope.clone(), "ann");
    let refused = world.client.start_batch(wrong).await;
    assert!(matches!(refused, Err(BatchError::Mismatch { .. })), "{refused:?}");
    let order = BatchOrder::new(BatchAction::Cancel, scope.clone(), "ann");
    let batch = world.client.start_batch(order).await.unwrap();
    let batch = world.client.run_batch(&batch.id, || false).await.unwrap();
    assert_eq!((batch.total, batch.done, batch.skipped), (102, 102, 0), "{batch:?}");
    let tick = world.client.report(&key(CHORES, "tick")).await.unwrap();
    assert_eq!(tick.state, JobState::Scheduled);
    assert!(world.client.preview_batch(&scope).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_job_that_the_preview_does_not_reach_is_cancelled_too() {
    let world = World::new();
    // A preview reads fewer.
    for id in 0..=COUNT_CAP {
        world.waiting("mail", &format!("other-{id}")).await;
    }
    let job = world.client.enqueue_task("late", &0).unwrap().queue(queue("mail")).delay(MINUTE);
    let late = job.await.unwrap();
    let task = Some(TaskName::new("late").unwrap());
    let waiting = WaitingFilter { task: task.clone(), ..WaitingFilter::default() };
    let live = LiveFilter { task, ..LiveFilter::default() };
    let order = |scope| BatchOrder::new(BatchAction::Cancel, scope, "ann");
    world.client.start_batch(order(BatchScope::Waiting(waiting))).await.unwrap();
    let batch = world.client.start_batch(order(BatchScope::Live(live))).await.unwrap();
    assert!(!batch.exact, "{batch:?}");
    let batch = world.client.run_batch(&batch.id, || false).await.unwrap();
    assert_eq!(batch.done, 1, "{batch:?}");
    assert_eq!(late.report().await.unwrap().state, JobState::Cancelled);
}

#[tokio::test]
async fn a_batch_over_all_dead_letters_skips_the_letters_of_chores() {
    let world = World::new();
    world.dead("mail", "job").await;
    world.dead(CHORES, "wake").await;
    let group = DeadFilter { task: Some(TaskName::new("t").unwrap()), ..DeadFilter::default() };
    for filter in [DeadFilter::default(), group] {
        let scope = BatchScope::Dead(filter);
        assert_eq!(world.client.preview_batch(&scope).await.unwrap().count, 1, "{scope:?}");
    }
    let scope = BatchScope::Dead(DeadFilter::default());
    let order = BatchOrder::new(BatchAction::PurgeDead, scope, "ann");
    let batch = world.client.start_batch(order).await.unwrap();
    let batch = world.client.run_batch(&batch.id, || false).await.unwrap();
    assert_eq!((batch.total, batch.done), (1, 1), "{batch:?}");
    assert_eq!(world.client.report(&key(CHORES, "wake")).await.unwrap().state, JobState::Dead);
    let named = DeadFilter { queue: Some(queue(CHORES)), ..DeadFilter::default() };
    assert_eq!(world.client.preview_batch(&BatchScope::Dead(named)).await.unwrap().count, 1);
}

#[tokio::test]
async fn naqs_own_jobs_cannot_be_paused() {
    let world = World::new();
    let task = TaskName::new("t").unwrap();
    let refused = world.client.pause_task(&queue(CHORES), &task, None, "ann", "").await;
    assert!(matches!(refused, Err(TransportError::Rejected { .. })), "{refused:?}");
    assert_eq!(world.client.paused_tasks().await.unwrap(), []);
}

#[tokio::test]
async fn an_operators_texts_are_stored_short_and_without_secrets() -> Result<(), BatchError> {
    let world = World::new();
    let task = TaskName::new("t").unwrap();
    let client = &world.client;
    let who = "ann token=hunter2";
    let reason = format!("password=hunter2 {}", "é".repeat(60_000));
    let short = |text: &str| {
        assert!(text.starts_with("password=[redacted] é"), "{text}");
        assert_eq!(text.chars().count(), 500);
    };
    let pause = client.pause_task(&queue("mail"), &task, None, who, &reason).await?;
    assert_eq!(client.paused_tasks().await?[0], pause);
    assert_eq!(pause.who, "ann token=[redacted]");
    short(&pause.reason);
    let entry = client.audit(AuditEntry::new(who, "pause", "all").reason(&reason)).await?;
    assert_eq!(entry.who, "ann token=[redacted]");
    short(&entry.reason);
    for id in ["one", "two"] {
        world.waiting("mail", id).await;
    }
    client.cancel(&key("mail", "one"), &reason).await?;
    let scope = BatchScope::Waiting(WaitingFilter::default());
    let order = BatchOrder::new(BatchAction::Cancel, scope, who).reason(&reason);
    let batch = client.start_batch(order).await?;
    assert_eq!(batch.who, "ann token=[redacted]");
    short(&batch.reason);
    client.run_batch(&batch.id, || false).await?;
    for id in ["one", "two"] {
        let job = client.report(&key("mail", id)).await?.envelope.unwrap();
        short(job.history[0].reason.as_ref().unwrap());
    }
    Ok(())
}
