//! Batch handlers: one call for many jobs, each of which keeps its own attempt.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq_core::{ErrorKind, Failure, Job, JobState};
use naq_worker::{JobBatch, Registry};
use serde::{Deserialize, Serialize};

use crate::bench::{Bench, LEASE, Running, run, secs};

const WAIT: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Row {
    Good,
    /// Fails at its first attempt.
    Late,
    Bad,
    Busy,
    Slow,
    Ignored,
    Panic,
    BreakAll,
}

impl Job for Row {
    const NAME: &'static str = "row";
    type Output = String;
}

#[derive(Debug, Default)]
struct Calls {
    /// The ids of the jobs of each call.
    batches: Mutex<Vec<Vec<String>>>,
    open: tokio::sync::Notify,
    /// Handlers that were dropped before they returned.
    dropped: Mutex<usize>,
}

impl Calls {
    fn batches(&self) -> Vec<Vec<String>> {
        self.batches.lock().expect("not poisoned").clone()
    }
}

struct NoteDrop(Arc<Calls>, bool);

impl Drop for NoteDrop {
    fn drop(&mut self) {
        if !self.1 {
            *self.0.dropped.lock().expect("not poisoned") += 1;
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the database is away")]
struct DatabaseAway;

async fn import(batch: JobBatch<Row, Arc<Calls>>) -> Result<(), Failure> {
    let calls = batch.state().clone();
    let mut note = NoteDrop(calls.clone(), false);
    let ids = batch.iter().map(|job| job.context().job_id().to_string()).collect();
    calls.batches.lock().expect("not poisoned").push(ids);
    if batch.iter().any(|job| *job.args() == Row::Slow) {
        calls.open.notified().await;
    }
    let size = batch.len();
    let broken = batch.iter().any(|job| *job.args() == Row::BreakAll);
    for job in batch {
        let attempt = job.context().attempt();
        match job.args() {
            Row::Good | Row::Slow => job.complete(format!("one of {size}")),
            Row::Late if attempt == 1 => job.fail(Failure::new("HTTPError.503", "later")),
            Row::Late => job.complete("at last".into()),
            Row::Bad => job.fail(Failure::new(ErrorKind::VALUE, "no number").fatal()),
            Row::Busy => job.fail(Failure::msg("busy").retry_after(secs(40))),
            Row::Ignored | Row::BreakAll => {}
            Row::Panic => panic!("the driver broke"),
        }
    }
    note.1 = true;
    if broken { Err(DatabaseAway.into()) } else { Ok(()) }
}

fn registry(calls: &Arc<Calls>, max_jobs: usize) -> Registry<Arc<Calls>> {
    let registry = Registry::with_state(calls.clone());
    registry.batch(import).max_jobs(max_jobs).max_wait(WAIT).add()
}

fn start(bench: &Bench, calls: &Arc<Calls>, max_jobs: usize) -> Running {
    let registry = registry(calls, max_jobs);
    run(bench.builder_of(Arc::new(bench.broker.clone()), registry).concurrency(8))
}

async fn enqueue(bench: &Bench, jobs: &[(&str, Row)]) {
    for (id, row) in jobs {
        bench.client.enqueue(row.clone()).id(*id).await.expect("enqueued");
    }
    bench.turn().await;
}

async fn kinds(bench: &Bench, id: &str) -> Vec<String> {
    let history = bench.report(id).await.envelope.expect("readable").history;
    history
        .iter()
        .map(|it| it.error_kind.as_ref().map_or("-".into(), ErrorKind::to_string))
        .collect()
}

#[tokio::test]
async fn a_full_batch_is_one_call_and_a_batch_that_is_not_full_waits_its_time() {
    let (bench, calls) = (Bench::new(), Arc::default());
    let _worker = start(&bench, &calls, 3);
    enqueue(&bench, &[("a", Row::Good), ("b", Row::Good), ("c", Row::Good), ("d", Row::Good)])
        .await;
    assert_eq!(calls.batches(), [["a", "b", "c"]]);
    assert_eq!(bench.state("d").await, JobState::Running);
    bench.pass(WAIT / 2).await;
    enqueue(&bench, &[("e", Row::Good)]).await;
    bench.pass(WAIT / 2 - Duration::from_millis(1)).await;
    assert_eq!(calls.batches().len(), 1, "d has not waited long enough");
    bench.pass(Duration::from_millis(1)).await;
    assert_eq!(calls.batches()[1], ["d", "e"]);
    let result: String = bench.report("e").await.result.expect("kept").decode().expect("a text");
    assert_eq!(result, "one of 2");
    // The next batch has a time of its own.
    enqueue(&bench, &[("f", Row::Good)]).await;
    bench.pass(WAIT).await;
    assert_eq!((calls.batches().len(), bench.left().await), (3, 0));
}

#[tokio::test]
async fn a_batch_that_fills_all_slots_does_not_wait() {
    let (bench, calls) = (Bench::new(), Arc::default());
    let registry = registry(&calls, 100);
    let over = Arc::new(bench.broker.clone());
    let _worker = run(bench.builder_of(over, registry).concurrency(2));
    enqueue(&bench, &[("a", Row::Good), ("b", Row::Good), ("c", Row::Good), ("d", Row::Good)])
        .await;
    assert_eq!(calls.batches(), [["a", "b"], ["c", "d"]]);
}

#[tokio::test]
async fn each_job_of_a_batch_has_its_own_answer_attempt_and_delay() {
    let (bench, calls) = (Bench::new(), Arc::default());
    let _worker = start(&bench, &calls, 4);
    let jobs = [("good", Row::Good), ("late", Row::Late), ("bad", Row::Bad), ("busy", Row::Busy)];
    enqueue(&bench, &jobs).await;
    assert_eq!(calls.batches().len(), 1);
    assert_eq!(bench.history("good").await, ["1:Completed:succeeded"]);
    assert_eq!(bench.history("bad").await, ["1:Failed:fatal"]);
    assert_eq!(kinds(&bench, "bad").await, ["ValueError"]);
    assert_eq!(bench.history("busy").await, ["1:Failed:retry_after"]);
    assert_eq!(kinds(&bench, "late").await, ["HTTPError.503"]);
    bench.pass(secs(5) + WAIT).await;
    assert_eq!(bench.history("late").await, ["1:Failed:strategy", "2:Completed:succeeded"]);
    assert_eq!(calls.batches()[1], ["late"], "the others wait for their own times");
    assert_eq!(bench.state("busy").await, JobState::Retrying);
}

#[tokio::test]
async fn an_error_of_the_handler_is_the_failure_of_all_jobs_without_an_answer() {
    let (bench, calls) = (Bench::new(), Arc::default());
    let registry = registry(&calls, 3).classify_with(|_: &DatabaseAway| ErrorKind::CONNECTION);
    let _worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry));
    enqueue(&bench, &[("a", Row::Good), ("b", Row::BreakAll), ("c", Row::Ignored)]).await;
    assert_eq!(bench.state("a").await, JobState::Completed);
    assert_eq!(kinds(&bench, "b").await, ["ConnectionError"]);
    assert_eq!(kinds(&bench, "c").await, ["ConnectionError"], "classified for each job");
}

#[tokio::test]
async fn a_job_that_the_handler_forgets_is_not_completed() {
    let (bench, calls) = (Bench::new(), Arc::default());
    let _worker = start(&bench, &calls, 2);
    enqueue(&bench, &[("a", Row::Good), ("b", Row::Ignored)]).await;
    assert_eq!(bench.state("a").await, JobState::Completed);
    assert_eq!(bench.history("b").await, ["1:Failed:strategy"]);
    let history = bench.report("b").await.envelope.expect("readable").history;
    let message = history[0].message.as_deref().unwrap_or_default();
    assert_eq!(message, "the batch handler returned without an answer for this job");
}

#[tokio::test]
async fn a_panic_fails_all_jobs_of_the_batch_that_have_no_answer() {
    let (bench, calls) = (Bench::new(), Arc::default());
    let _worker = start(&bench, &calls, 3);
    enqueue(&bench, &[("a", Row::Good), ("b", Row::Panic), ("c", Row::Good)]).await;
    assert_eq!(bench.state("a").await, JobState::Completed);
    for id in ["b", "c"] {
        assert_eq!(kinds(&bench, id).await, ["Panic"], "{id}");
        let history = bench.report(id).await.envelope.expect("readable").history;
        assert_eq!(history[0].message.as_deref(), Some("the driver broke"));
    }
}

#[tokio::test]
async fn a_job_that_is_cancelled_or_times_out_leaves_its_batch_and_the_others_complete() {
    let (bench, calls) = (Bench::new(), Arc::<Calls>::default());
    let _worker = start(&bench, &calls, 3);
    enqueue(&bench, &[("slow", Row::Slow), ("cancelled", Row::Good)]).await;
    let timed = bench.client.enqueue(Row::Good).id("timed").timeout(secs(3)).max_retries(0);
    timed.await.expect("enqueued");
    bench.turn().await;
    assert_eq!(calls.batches().len(), 1);
    bench.client.cancel(&"cancelled".parse().expect("a key"), "no").await.expect("cancelled");
    bench.pass(secs(4)).await;
    assert_eq!(bench.state("cancelled").await, JobState::Cancelled);
    assert_eq!(kinds(&bench, "timed").await, ["TimeoutError"]);
    assert_eq!(bench.state("slow").await, JobState::Running);
    calls.open.notify_one();
    bench.turn().await;
    assert_eq!(bench.state("slow").await, JobState::Completed);
    assert_eq!((bench.left().await, *calls.dropped.lock().expect("not poisoned")), (0, 0));
}

#[tokio::test]
async fn a_handler_whose_jobs_have_all_left_is_dropped() {
    let (bench, calls) = (Bench::new(), Arc::<Calls>::default());
    let _worker = start(&bench, &calls, 2);
    for id in ["a", "b"] {
        let job = bench.client.enqueue(Row::Slow).id(id).timeout(secs(2)).max_retries(0);
        job.await.expect("enqueued");
    }
    bench.turn().await;
    bench.pass(secs(2)).await;
    assert_eq!(*calls.dropped.lock().expect("not poisoned"), 1);
    assert_eq!(bench.state("b").await, JobState::Dead);
}

#[tokio::test]
async fn a_job_that_is_cancelled_while_it_waits_is_not_in_the_batch() {
    let (bench, calls) = (Bench::new(), Arc::<Calls>::default());
    let registry = Registry::with_state(calls.clone());
    let registry = registry.batch(import).max_jobs(8).max_wait(secs(5)).add();
    let _worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry));
    enqueue(&bench, &[("a", Row::Good), ("b", Row::Good)]).await;
    bench.client.cancel(&"a".parse().expect("a key"), "no").await.expect("cancelled");
    bench.pass(secs(5)).await;
    assert_eq!(calls.batches(), [["b"]]);
    assert_eq!(bench.state("a").await, JobState::Cancelled);
}

#[tokio::test]
async fn after_the_death_of_a_worker_each_job_of_its_batch_has_a_crash_and_runs_by_itself() {
    let (bench, calls) = (Bench::new(), Arc::<Calls>::default());
    let worker = start(&bench, &calls, 2);
    enqueue(&bench, &[("slow", Row::Slow), ("good", Row::Good)]).await;
    assert_eq!(calls.batches().len(), 1);
    worker.kill().await;
    bench.turn().await;
    assert_eq!(*calls.dropped.lock().expect("not poisoned"), 1);
    calls.open.notify_one();
    let _second = start(&bench, &calls, 2);
    bench.pass(LEASE * 3).await;
    for id in ["slow", "good"] {
        assert_eq!(bench.history(id).await, ["1:Crashed:-", "1:Completed:succeeded"], "{id}");
    }
    let mut after = calls.batches().split_off(1);
    after.sort();
    assert_eq!(after, [["good"], ["slow"]]);
}

#[tokio::test]
async fn a_shutdown_gives_the_jobs_of_a_slow_batch_back() {
    let (bench, calls) = (Bench::new(), Arc::<Calls>::default());
    let registry = registry(&calls, 2);
    let builder = bench.builder_of(Arc::new(bench.broker.clone()), registry);
    let mut worker = run(builder.shutdown_timeout(secs(3)));
    enqueue(&bench, &[("slow", Row::Slow), ("good", Row::Good)]).await;
    worker.stop();
    bench.pass(secs(5)).await;
    assert!(worker.has_ended());
    assert_eq!(*calls.dropped.lock().expect("not poisoned"), 1);
    for id in ["slow", "good"] {
        let job = bench.report(id).await;
        assert_eq!(job.state, JobState::Pending, "{id}");
        assert_eq!(job.envelope.expect("readable").crashes, 0, "{id}");
    }
}
