//! Debounce and throttle: many enqueues of one key, and one job.

use std::sync::Arc;
use std::time::Duration;

use naq_client::{Client, ClientError, Enqueue, JobHandle};
use naq_core::flow::DEBOUNCE_MARGIN;
use naq_core::testing::{DiePoint, FaultPlan, FaultyTransport, Op};
use naq_core::transport::JobKey;
use naq_core::{JobState, QueueName, TaskName};

use crate::bench::{Bench, Do, Script, secs};

const KEY: &str = "doc-7";
const WAIT: Duration = Duration::from_secs(5);

fn job(client: &Client, script: Do) -> Enqueue<'_, String> {
    client.enqueue(Script(vec![script])).debounce(KEY, WAIT).max_retries(0)
}

/// Enqueues a job whose result has this length.
async fn send(bench: &Bench, size: usize) -> JobHandle<String> {
    sent(bench, job(&bench.client, Do::Big(size))).await
}

async fn sent(bench: &Bench, job: Enqueue<'_, String>) -> JobHandle<String> {
    let handle = job.await.expect("sent");
    bench.turn().await;
    handle
}

fn key(handle: &JobHandle<String>) -> JobKey {
    JobKey::new(handle.queue().clone(), handle.id().clone())
}

async fn result(handle: &JobHandle<String>) -> usize {
    handle.result().await.expect("readable").expect("kept").len()
}

#[tokio::test]
async fn many_enqueues_are_one_job_that_starts_after_the_last_one_with_its_arguments() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    let first = send(&bench, 1).await;
    assert!(!first.is_duplicate());
    for size in [2, 3] {
        bench.pass(secs(3)).await;
        let more = send(&bench, size).await;
        assert!(more.is_duplicate());
        assert_eq!(more.held_by(), Some(&key(&first)));
    }
    bench.pass(WAIT).await;
    assert_eq!(
        (bench.seen.total(), bench.state(first.id().as_str()).await),
        (0, JobState::Scheduled)
    );
    bench.pass(DEBOUNCE_MARGIN).await;
    assert_eq!((bench.seen.total(), result(&first).await), (1, 3));
    assert_eq!(bench.left().await, 0);
}

#[tokio::test]
async fn the_last_enqueue_gives_the_options_too() {
    let bench = Bench::new();
    let first = send(&bench, 1).await;
    let last = job(&bench.client, Do::Big(2)).tag("last").max_retries(7).expires_in(secs(60));
    sent(&bench, last).await;
    let stored = bench.report(first.id().as_str()).await.envelope.expect("readable");
    assert_eq!((stored.tags.as_slice(), stored.max_attempts()), (&["last".to_owned()][..], 8));
    assert_eq!(stored.deadline, stored.due_at.map(|due| due + secs(60)));
}

#[tokio::test]
async fn max_wait_counts_from_the_enqueue_that_added_the_job() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    for size in 1..=4 {
        sent(&bench, job(&bench.client, Do::Big(size)).max_wait(secs(8))).await;
        bench.pass(secs(2)).await;
    }
    assert_eq!(bench.seen.total(), 0);
    bench.pass(DEBOUNCE_MARGIN).await;
    assert_eq!(bench.seen.total(), 1, "8 s after the first enqueue, and the margin");
    // The next one begins with a new bound.
    sent(&bench, job(&bench.client, Do::Big(5)).max_wait(secs(8))).await;
    bench.pass(WAIT).await;
    assert_eq!(bench.seen.total(), 1);
    bench.pass(DEBOUNCE_MARGIN).await;
    assert_eq!((bench.seen.total(), bench.left().await), (2, 0));
}

#[tokio::test]
async fn an_enqueue_while_the_job_is_about_to_start_or_runs_adds_a_new_job() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    let first = sent(&bench, job(&bench.client, Do::Gate)).await;
    bench.pass(WAIT).await;
    let second = send(&bench, 2).await;
    assert!(!second.is_duplicate(), "the first one is due within the margin");
    bench.pass(DEBOUNCE_MARGIN).await;
    assert_eq!(bench.state(first.id().as_str()).await, JobState::Running);
    let more = send(&bench, 3).await;
    assert_eq!(more.held_by(), Some(&key(&second)));
    bench.seen.gate.notify_one();
    bench.pass(WAIT + DEBOUNCE_MARGIN).await;
    assert_eq!((bench.seen.total(), result(&second).await, bench.left().await), (2, 3, 0));
}

#[tokio::test]
async fn a_job_that_was_cancelled_or_made_due_now_is_not_replaced() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    let cancelled = send(&bench, 1).await;
    bench.client.cancel(&key(&cancelled), "no").await.expect("cancelled");
    let hurried = send(&bench, 2).await;
    assert!(!hurried.is_duplicate());
    bench.client.retry_now(&key(&hurried)).await.expect("released");
    bench.turn().await;
    assert_eq!(result(&hurried).await, 2);
    let last = send(&bench, 3).await;
    assert!(!last.is_duplicate());
    bench.pass(WAIT + DEBOUNCE_MARGIN).await;
    assert_eq!((bench.seen.total(), result(&last).await), (2, 3));
    assert_eq!(bench.state(cancelled.id().as_str()).await, JobState::Cancelled);
}

#[tokio::test]
async fn a_dead_letter_is_requeued_as_one_job_of_its_own_and_not_while_another_waits() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    let dead = sent(&bench, job(&bench.client, Do::Fatal)).await;
    bench.pass(WAIT + DEBOUNCE_MARGIN).await;
    let letter = bench.report(dead.id().as_str()).await;
    assert_eq!(letter.state, JobState::Dead);
    let other = send(&bench, 2).await;
    let refused = bench.client.requeue(&letter.stored, None).await;
    assert!(matches!(&refused, Err(ClientError::Unique { .. })), "{refused:?}");
    bench.pass(WAIT + DEBOUNCE_MARGIN).await;
    assert_eq!(result(&other).await, 2);
    bench.client.requeue(&letter.stored, None).await.expect("requeued");
    bench.turn().await;
    assert_eq!(bench.seen.starts(dead.id().as_str()), 2);
    assert!(!send(&bench, 3).await.is_duplicate());
}

#[tokio::test]
async fn a_job_that_a_gate_holds_back_still_takes_the_last_arguments() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    let (queue, task) = (QueueName::default(), TaskName::new("script").expect("a name"));
    bench
        .client
        .pause_task(&queue, &task, Some(bench.client.now() + secs(20)), "ann", "a test")
        .await
        .expect("paused");
    bench.turn().await;
    let held = send(&bench, 1).await;
    bench.pass(WAIT + secs(2)).await;
    assert_eq!(bench.seen.total(), 0);
    let more = send(&bench, 2).await;
    assert_eq!(more.held_by(), Some(&key(&held)));
    bench.pass(secs(60)).await;
    assert_eq!((bench.seen.total(), result(&held).await, bench.left().await), (1, 2, 0));
}

#[tokio::test]
async fn an_enqueue_whose_program_dies_anywhere_leaves_one_job_or_none() {
    for op in [Op::State, Op::Publish, Op::Reschedule] {
        for point in [DiePoint::Before(op), DiePoint::After(op)] {
            let bench = Bench::new();
            let _worker = bench.start().await;
            let earlier = op == Op::Reschedule;
            if earlier {
                send(&bench, 1).await;
            }
            let plan = FaultPlan::new().die_at(point, 1);
            let faulty = Arc::new(FaultyTransport::new(bench.broker.clone(), plan));
            let dying = Client::new(faulty).clock(Arc::new(bench.clock.clone()));
            job(&dying, Do::Big(2)).await.expect_err("its program died");
            let last = send(&bench, 3).await;
            bench.pass(WAIT + DEBOUNCE_MARGIN).await;
            assert_eq!((bench.seen.total(), result(&last).await), (1, 3), "{point:?}");
            assert_eq!(bench.left().await, 0, "{point:?}");
        }
    }
}

#[tokio::test]
async fn a_throttled_task_adds_one_job_in_its_time() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    let throttled =
        |size| bench.client.enqueue(Script(vec![Do::Big(size)])).throttle(KEY, secs(10));
    let first = sent(&bench, throttled(1)).await;
    assert_eq!(result(&first).await, 1);
    bench.pass(secs(9)).await;
    let second = sent(&bench, throttled(2)).await;
    assert_eq!(second.held_by(), Some(&key(&first)));
    bench.pass(secs(2)).await;
    let third = sent(&bench, throttled(3)).await;
    assert_eq!((third.is_duplicate(), bench.seen.total()), (false, 2));
    // A debounce of the same key is another thing.
    assert!(!send(&bench, 4).await.is_duplicate());
}

#[tokio::test]
async fn options_that_exclude_each_other_are_refused_before_anything_is_sent() {
    let bench = Bench::new();
    let client = &bench.client;
    let plain = || client.enqueue(Script(vec![Do::Succeed]));
    for (refused, why) in [
        (plain().max_wait(secs(1)), "max_wait needs a debounce"),
        (plain().debounce(KEY, WAIT).throttle(KEY, WAIT), "both debounce and throttle"),
        (plain().debounce(KEY, WAIT).max_wait(secs(1)), "max_wait is shorter"),
        (plain().debounce(KEY, WAIT).id("mine"), "no id of its own"),
        (plain().debounce(KEY, WAIT).delay(secs(1)), "no due time of its own"),
        (plain().debounce(KEY, WAIT).unique("mine"), "no unique key of its own"),
        (plain().debounce(KEY, WAIT).depends_on(["other"]), "no dependency of its own"),
        (plain().debounce("", WAIT), "1 to 128 bytes"),
    ] {
        let text = refused.prepare().expect_err("refused").to_string();
        assert!(text.contains(why), "{text}");
    }
    assert_eq!(bench.left().await, 0);
}
