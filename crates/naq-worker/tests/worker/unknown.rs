//! Jobs of unknown tasks.

use std::sync::Arc;

use naq_core::{JobState, RetryPolicy};
use naq_worker::Registry;

use crate::bench::{Bench, Do, run, secs};

fn looks(n: u32) -> RetryPolicy {
    RetryPolicy::builder().max_retries(n).delay(secs(5)).build()
}

#[tokio::test]
async fn an_unknown_task_waits_for_a_worker_that_knows_it_and_loses_no_attempt() {
    let bench = Bench::new();
    let broker = Arc::new(bench.broker.clone());
    let old = run(bench.builder_of(broker, Registry::new()).unknown_tasks(looks(10)));
    bench.enqueue("job", [Do::Succeed]).await;
    assert_eq!(bench.state("job").await, JobState::Retrying);
    bench.pass(secs(5)).await;
    old.kill().await;
    let _new = bench.start().await;
    bench.pass(secs(10)).await;
    let job = bench.report("job").await.envelope.expect("readable");
    assert_eq!((job.attempt, job.snoozes, job.crashes), (1, 2, 0));
    assert_eq!(
        bench.history("job").await,
        ["1:NotRun:unknown_task", "1:NotRun:unknown_task", "1:Completed:succeeded"]
    );
}

#[tokio::test]
async fn a_job_of_a_task_that_stays_unknown_dies_when_its_checks_are_used_up() {
    let bench = Bench::new();
    let broker = Arc::new(bench.broker.clone());
    let _worker = run(bench.builder_of(broker, Registry::new()).unknown_tasks(looks(3)));
    bench.enqueue("job", [Do::Succeed]).await;
    bench.pass(secs(14)).await;
    assert_eq!(bench.state("job").await, JobState::Retrying);
    bench.pass(secs(1)).await;
    let dead = bench.report("job").await.dead.expect("dead");
    assert_eq!((dead.error_kind.as_str(), dead.rule.as_str()), ("UnknownTask", "unknown_task"));
    assert_eq!(dead.message, "no handler for task \"script\"; known: none");
    assert_eq!(dead.step.attempt, 1);
    assert_eq!(bench.history("job").await, ["1:NotRun:unknown_task"; 4]);
}

#[tokio::test]
async fn the_default_checks_last_for_about_50_minutes() {
    let bench = Bench::new();
    let broker = Arc::new(bench.broker.clone());
    let _worker = run(bench.builder_of(broker, Registry::new()));
    bench.enqueue("job", [Do::Succeed]).await;
    bench.pass(secs(40 * 60)).await;
    assert_eq!(bench.state("job").await, JobState::Retrying);
    bench.pass(secs(25 * 60)).await;
    assert_eq!(bench.state("job").await, JobState::Dead);
}
