//! Jobs that depend on other jobs, with real workers: after retries, deaths and crashes.

use std::sync::Arc;

use naq_client::{Client, Wake};
use naq_core::testing::{DiePoint, Fault, FaultPlan, FaultyTransport, Op};
use naq_core::transport::{Expect, Producer, StateKey, StateStore};
use naq_core::{Failure, JobState};
use naq_worker::{Context, Registry};

use crate::bench::{Bench, Do, LEASE, Running, Script, run, secs};

async fn start(bench: &Bench) -> Running {
    bench.start_with(|worker| worker.chores(true)).await
}

async fn child(bench: &Bench, id: &str, on: &[&str], script: impl Into<Vec<Do>>) {
    let job = bench.client.enqueue(Script(script.into())).id(id).depends_on(on.to_vec());
    job.await.expect("enqueued");
    bench.turn().await;
}

fn fail() -> Do {
    Do::Fail("Error".into())
}

#[tokio::test]
async fn a_dependent_starts_after_the_last_attempt_of_the_last_parent_and_not_before() {
    let bench = Bench::new();
    let _worker = start(&bench).await;
    let job = bench.client.enqueue(Script(vec![fail(), fail(), Do::Succeed])).id("a");
    job.max_retries(3).retry_delay(secs(30)).await.expect("enqueued");
    bench.enqueue("b", [Do::Gate]).await;
    child(&bench, "c", &["a", "b"], [fail(), Do::Succeed]).await;
    bench.pass(secs(59)).await;
    assert_eq!((bench.state("c").await, bench.seen.starts("a")), (JobState::Blocked, 2));
    bench.pass(secs(2)).await;
    assert_eq!(bench.state("a").await, JobState::Completed);
    assert_eq!(bench.state("c").await, JobState::Blocked);
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    bench.pass(secs(6)).await;
    assert_eq!(bench.state("c").await, JobState::Completed);
    assert_eq!(bench.seen.order(), ["a", "b", "a", "a", "c", "c"]);
    assert_eq!(bench.left().await, 0);
}

/// A user who may write to the queue of chores enqueues the chore of an end that has not come.
#[tokio::test]
async fn a_wake_without_a_stored_end_releases_nothing() {
    let bench = Bench::new();
    let _worker = start(&bench).await;
    bench.enqueue("a", [Do::Gate]).await;
    child(&bench, "b", &["a"], [Do::Succeed]).await;
    let parent = bench.report("a").await;
    assert_eq!(parent.state, JobState::Running);
    let forged = Wake::new(parent.key, &parent.stored.step().nonce, JobState::Completed);
    let forged = forged.submission(bench.client.now()).expect("a chore");
    bench.broker.publish(forged).await.expect("stored");
    bench.pass(secs(130)).await;
    assert_eq!((bench.state("a").await, bench.seen.starts("b")), (JobState::Running, 0));
    assert_eq!(bench.state("b").await, JobState::Blocked);
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    bench.pass(secs(6)).await;
    assert_eq!(bench.state("b").await, JobState::Completed);
}

#[tokio::test]
async fn a_dead_parent_ends_all_dependents_except_those_that_run_after_a_failure() {
    let bench = Bench::new();
    let _worker = start(&bench).await;
    bench.enqueue("x", [Do::Gate]).await;
    let dead = bench.client.enqueue(Script(vec![Do::RetryAfter(5), Do::Fatal])).id("dead");
    dead.await.expect("enqueued");
    bench.turn().await;
    child(&bench, "b", &["dead"], [Do::Succeed]).await;
    child(&bench, "c", &["b", "x"], [Do::Succeed]).await;
    let alert = bench.client.enqueue(Script(vec![Do::Succeed])).id("alert").depends_on("c");
    alert.run_after_failure().await.expect("enqueued");
    bench.pass(secs(6)).await;
    assert_eq!(bench.state("dead").await, JobState::Dead);
    assert_eq!(bench.history("b").await, ["1:Cancelled:dependencies"]);
    assert_eq!(bench.state("c").await, JobState::Cancelled, "before x has ended");
    assert_eq!((bench.state("alert").await, bench.seen.starts("c")), (JobState::Completed, 0));
}

#[tokio::test]
async fn without_a_chores_worker_a_dependent_checks_its_parents_itself() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    bench.enqueue("a", [Do::Gate]).await;
    child(&bench, "b", &["a"], [Do::Succeed]).await;
    bench.pass(secs(61)).await;
    assert_eq!(bench.history("b").await, ["1:HeldBack:dependencies"]);
    let report = bench.report("b").await;
    assert_eq!((report.state, report.waits_for.len()), (JobState::Blocked, 1));
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    assert_eq!(bench.state("b").await, JobState::Blocked);
    bench.pass(secs(120)).await;
    assert_eq!((bench.state("b").await, bench.seen.starts("b")), (JobState::Completed, 1));
}

#[tokio::test]
async fn a_blocked_job_expires_in_time_and_one_with_a_delay_waits_for_both() {
    let bench = Bench::new();
    let _worker = start(&bench).await;
    bench.enqueue("a", [Do::Gate]).await;
    let job = |id: &str| bench.client.enqueue(Script(vec![Do::Succeed])).id(id).depends_on("a");
    job("late").expires_in(secs(20)).await.expect("enqueued");
    job("timed").delay(secs(50)).await.expect("enqueued");
    bench.pass(secs(21)).await;
    assert_eq!(bench.state("late").await, JobState::Expired);
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    bench.turn().await;
    assert_eq!((bench.state("timed").await, bench.seen.starts("timed")), (JobState::Scheduled, 0));
    bench.pass(secs(30)).await;
    assert_eq!(bench.state("timed").await, JobState::Completed);
}

#[tokio::test]
async fn a_dependent_of_a_purged_job_is_cancelled_after_a_while() {
    let bench = Bench::new();
    bench.enqueue("a", [Do::Succeed]).await;
    let job = bench.client.enqueue(Script(vec![Do::Succeed])).id("b").queue("other");
    job.depends_on("default/a").await.expect("enqueued");
    naq_core::transport::Operator::purge(&bench.broker, &"default".parse().expect("a queue"))
        .await
        .expect("purged");
    let _worker = bench.start_with(|worker| worker.chores(true).queue("other")).await;
    bench.pass(secs(14 * 60)).await;
    assert_eq!(bench.state("b").await, JobState::Blocked);
    bench.pass(secs(2 * 60)).await;
    let last = bench.report("b").await.envelope.expect("readable").history.pop();
    let reason = last.and_then(|last| last.reason).expect("a reason");
    assert!(reason.contains("default/a, which it depends on, is unknown"), "{reason}");
    assert_eq!(bench.state("b").await, JobState::Cancelled);
}

#[tokio::test]
async fn a_dead_dependent_that_is_requeued_runs_without_waiting() {
    let bench = Bench::new();
    let _worker = start(&bench).await;
    bench.enqueue("a", [Do::Succeed]).await;
    child(&bench, "b", &["a"], [Do::Fatal]).await;
    assert_eq!(bench.state("b").await, JobState::Dead);
    // Longer than the time to live of its parent's record.
    bench.pass(secs(26 * 3600)).await;
    let letters = bench.client.dead_letters(&Default::default(), 0, 10).await.expect("a list");
    bench.client.requeue(&letters.letters[0], None).await.expect("requeued");
    bench.turn().await;
    assert_eq!((bench.state("b").await, bench.seen.starts("b")), (JobState::Dead, 2));
}

#[tokio::test]
async fn a_poisoned_dependent_that_is_requeued_runs_without_waiting() {
    let bench = Bench::new();
    let worker = start(&bench).await;
    bench.enqueue("a", [Do::Succeed]).await;
    let job = bench.client.enqueue(Script(vec![Do::Hang { heed: false }])).id("b");
    job.depends_on("a").max_crashes(1).await.expect("enqueued");
    bench.turn().await;
    assert_eq!(bench.seen.starts("b"), 1);
    worker.kill().await;
    let _second = start(&bench).await;
    bench.pass(LEASE + secs(5)).await;
    assert_eq!(bench.state("b").await, JobState::Dead);
    // Longer than the time to live of its parent's record.
    bench.pass(secs(26 * 3600)).await;
    let letters = bench.client.dead_letters(&Default::default(), 0, 10).await.expect("a list");
    assert_eq!(letters.letters[0].dead_letter().rule.as_str(), "max_crashes");
    bench.client.requeue(&letters.letters[0], None).await.expect("requeued");
    bench.turn().await;
    assert_eq!((bench.state("b").await, bench.seen.starts("b")), (JobState::Running, 2));
}

/// As after a month: the entries about its parents have expired.
async fn forget(bench: &Bench) {
    let met = StateKey::new(["met"]).expect("a key");
    for entry in bench.broker.state_list(&met, 0, 10).await.expect("a list").entries {
        bench.broker.state_remove(&entry.key, Expect::Any).await.expect("removed");
    }
}

#[tokio::test]
async fn a_dependent_that_is_due_after_its_entries_have_expired_runs_then() {
    let bench = Bench::new();
    let _worker = start(&bench).await;
    bench.enqueue("a", [Do::Succeed]).await;
    let job = bench.client.enqueue(Script(vec![Do::Succeed])).id("b").delay(secs(7200));
    job.depends_on("a").await.expect("enqueued");
    bench.pass(secs(70)).await;
    let report = bench.report("b").await;
    assert_eq!((report.state, bench.history("b").await.len()), (JobState::Scheduled, 1));
    assert!(report.envelope.expect("readable").depends_on.expect("a parent").waived);
    forget(&bench).await;
    bench.pass(secs(7200)).await;
    assert_eq!((bench.state("b").await, bench.seen.starts("b")), (JobState::Completed, 1));
}

#[tokio::test]
async fn a_dependent_that_snoozes_until_its_entries_have_expired_runs_then() {
    let bench = Bench::new();
    let _worker = start(&bench).await;
    bench.enqueue("a", [Do::Succeed]).await;
    child(&bench, "b", &["a"], [Do::Snooze(7200)]).await;
    assert_eq!(bench.seen.starts("b"), 1);
    forget(&bench).await;
    bench.pass(secs(7300)).await;
    assert_eq!((bench.state("b").await, bench.seen.starts("b")), (JobState::Completed, 2));
}

#[tokio::test]
async fn a_dependent_that_waits_only_for_its_own_time_can_be_released_by_hand() {
    let bench = Bench::new();
    let _worker = start(&bench).await;
    bench.enqueue("a", [Do::Succeed]).await;
    let job = bench.client.enqueue(Script(vec![Do::Succeed])).id("b").delay(secs(3600));
    job.depends_on("a").await.expect("enqueued");
    bench.turn().await;
    assert_eq!((bench.state("b").await, bench.seen.starts("b")), (JobState::Scheduled, 0));
    bench.client.retry_now(&"default/b".parse().expect("a key")).await.expect("due");
    bench.turn().await;
    assert_eq!((bench.state("b").await, bench.seen.starts("b")), (JobState::Completed, 1));
}

async fn sum(_: serde_json::Value, cx: Context) -> Result<u64, Failure> {
    let parents = cx.parents().await?;
    let results = parents.completed().map(|end| end.result.as_ref().map_or(Ok(0), |r| r.decode()));
    let sum: u64 = results.sum::<Result<u64, _>>().map_err(|err| Failure::msg(err.to_string()))?;
    let one: u64 = cx.parent_result("one").await.map_err(|err| Failure::msg(err.to_string()))?;
    Ok(100 * one + sum)
}

#[tokio::test]
async fn a_dependent_reads_the_results_of_its_parents() {
    let bench = Bench::new();
    let registry = Registry::new()
        .raw("number", |n: serde_json::Value, _: Context| async move { Ok::<_, Failure>(n) })
        .raw("sum", sum);
    let builder = bench.builder_of(Arc::new(bench.broker.clone()), registry);
    let _worker = run(builder.chores(true));
    let number = |id: &str, n: u64| {
        bench.client.enqueue_task("number", &n).expect("a name").id(id).delay(secs(60))
    };
    let one = number("one", 1).await.expect("enqueued");
    let two = number("two", 2).await.expect("enqueued");
    let sum = bench.client.enqueue_task("sum", &()).expect("a name").depends_on([&one, &two]);
    let sum = sum.await.expect("enqueued");
    bench.pass(secs(61)).await;
    assert_eq!(sum.result().await.expect("a report"), Some(103.into()));
}

/// The parent's worker dies at `point`, with its chores worker. Another one takes over.
async fn die(point: DiePoint, nth: u32) -> bool {
    let bench = Bench::new();
    let plan = FaultPlan::new().die_at(point, nth);
    let faulty = Arc::new(FaultyTransport::new(bench.broker.clone(), plan));
    let worker = run(bench.builder(faulty.clone()).chores(true));
    bench.turn().await;
    bench.enqueue("a", [Do::Gate]).await;
    child(&bench, "b", &["a"], [Do::Succeed]).await;
    child(&bench, "c", &["b"], [Do::Succeed]).await;
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    let died = faulty.died_at().is_some();
    worker.kill().await;
    let _second = start(&bench).await;
    bench.pass(LEASE + secs(5)).await;
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    // Less than the minute after which dependents check their parents themselves.
    bench.pass(LEASE + secs(5)).await;
    let what = format!("{point} {nth}");
    for id in ["a", "b", "c"] {
        assert_eq!(bench.state(id).await, JobState::Completed, "{what}: {id}");
        let starts = bench.seen.starts(id);
        // The attempt in flight may run again, if its record is not stored.
        let limit = if point == DiePoint::Before(Op::Record) { 2 } else { 1 };
        let limit = if id == "a" { 2 } else { limit };
        assert!((1..=limit).contains(&starts), "{what}: {id} ran {starts} times");
    }
    assert_eq!(bench.left().await, 0, "{what}");
    died
}

#[tokio::test]
async fn a_dependent_runs_once_wherever_the_worker_of_its_parent_dies() {
    let mut deaths = 0;
    for op in [Op::Record, Op::Publish, Op::Ack, Op::State, Op::Release] {
        for point in [DiePoint::Before(op), DiePoint::After(op)] {
            for nth in 1..=4 {
                deaths += usize::from(die(point, nth).await);
            }
        }
    }
    assert!(deaths > 20, "{deaths} deaths");
}

#[tokio::test]
async fn jobs_without_dependents_cost_no_request_and_a_retry_does_not_check_its_parents_again() {
    let bench = Bench::new();
    let faulty = Arc::new(FaultyTransport::new(bench.broker.clone(), FaultPlan::new()));
    let client = Client::new(faulty.clone()).clock(Arc::new(bench.clock.clone()));
    let _worker = run(bench.builder(faulty.clone()).chores(true));
    bench.turn().await;
    let before: Vec<_> = Op::ALL.iter().map(|op| faulty.calls(*op)).collect();
    client.enqueue(Script(vec![Do::Succeed])).id("a").await.expect("enqueued");
    bench.turn().await;
    let paid: Vec<_> = Op::ALL
        .iter()
        .zip(&before)
        // A worker stores its list of runs by the clock, not for each job.
        .filter(|(op, _)| !matches!(op, Op::Fetch | Op::RunList))
        .filter_map(|(op, before)| Some((op, faulty.calls(*op) - before)).filter(|(_, n)| *n > 0))
        .collect();
    assert_eq!(paid, [(&Op::Publish, 1), (&Op::Record, 1), (&Op::Ack, 1)]);

    // Two retries cost a dependent no more requests than any other job.
    let mut looks = Vec::new();
    for on in [None, Some("a")] {
        let script = vec![fail(), fail(), Do::Gate];
        let job = client.enqueue(Script(script)).retry_delay(secs(5));
        let job = if let Some(on) = on { job.depends_on(on) } else { job };
        let job = job.await.expect("enqueued");
        bench.turn().await;
        let before = faulty.calls(Op::Other);
        bench.pass(secs(11)).await;
        assert_eq!(bench.seen.starts(job.id().as_str()), 3);
        looks.push(faulty.calls(Op::Other) - before);
    }
    assert_eq!(looks[0], looks[1]);
}

#[tokio::test]
async fn a_release_that_the_broker_refuses_holds_up_nothing_and_the_dependent_starts_later() {
    let bench = Bench::new();
    // As for a worker without the right to write to the queue of NAQ's own jobs.
    let plan = FaultPlan::new().on(Op::Publish, 1, u32::MAX, Fault::Refused);
    let faulty = Arc::new(FaultyTransport::new(bench.broker.clone(), plan));
    let _worker = run(bench.builder(faulty.clone()));
    bench.enqueue("parent", [Do::Gate]).await;
    child(&bench, "child", &["parent"], [Do::Succeed]).await;
    bench.seen.gate.notify_waiters();
    bench.pass(secs(5)).await;
    assert_eq!(bench.state("parent").await, JobState::Completed);
    assert_eq!(bench.left().await, 1, "only the child is left: the parent is acked");
    assert_eq!(faulty.calls(Op::Publish), 4, "bounded tries");
    bench.pass(secs(10 * 60)).await;
    assert_eq!((bench.state("child").await, bench.left().await), (JobState::Completed, 0));
}
