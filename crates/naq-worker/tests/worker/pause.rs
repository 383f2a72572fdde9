//! Tasks that an operator has paused: which jobs wait, until when, and what it costs.

use std::sync::Arc;
use std::time::Duration;

use naq_core::retry::Rule;
use naq_core::testing::{Fault, FaultPlan, FaultyTransport, Op};
use naq_core::{Clock, JobState, QueueName, TaskName};

use crate::bench::{Bench, Do, secs};

fn task() -> TaskName {
    TaskName::new("script").expect("a name")
}

async fn pause(bench: &Bench, span: Option<Duration>) {
    let until = span.map(|span| bench.clock.now() + span);
    let (queue, task) = (QueueName::default(), task());
    bench.client.pause_task(&queue, &task, until, "ann", "the bank is down").await.expect("stored");
    bench.turn().await;
}

#[tokio::test]
async fn a_job_of_a_paused_task_waits_without_an_attempt_and_runs_soon_after_the_pause() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    pause(&bench, None).await;
    bench.enqueue("job", [Do::Succeed]).await;
    let report = bench.report("job").await;
    let job = report.envelope.expect("readable");
    assert_eq!((report.state, job.attempt, job.crashes), (JobState::Scheduled, 1, 0));
    let record = job.history.last().expect("a record").clone();
    assert_eq!(record.rule, Some(Rule::Paused));
    let why = "task script of queue default is paused by ann: the bank is down";
    assert!(record.reason.is_some_and(|reason| reason.contains(why)));
    // It comes again and again, and is held back each time.
    bench.pass(secs(100)).await;
    assert_eq!(bench.seen.starts("job"), 0);
    let until = bench.report("job").await.due_at.expect("it waits");
    assert!(until.since(bench.clock.now()) <= secs(15), "it looks soon");
    assert!(bench.client.resume_task(&QueueName::default(), &task()).await.expect("removed"));
    bench.pass(secs(15)).await;
    assert_eq!((bench.seen.starts("job"), bench.state("job").await), (1, JobState::Completed));
    // Several times in a row leave one record.
    let history = bench.report("job").await.envelope.expect("readable").history;
    assert_eq!(history.iter().filter(|it| it.rule == Some(Rule::Paused)).count(), 1);
    assert_eq!(history.last().map(|it| it.attempt), Some(1));
}

#[tokio::test]
async fn a_pause_holds_one_task_in_one_queue_and_ends_by_itself() {
    let bench = Bench::new();
    let _worker = bench.start_with(|b| b.queues(["default", "other"])).await;
    pause(&bench, Some(secs(10))).await;
    bench.enqueue("held", [Do::Succeed]).await;
    let script = crate::bench::Script(vec![Do::Succeed]);
    bench.client.enqueue(script).id("free").queue("other").await.expect("sent");
    bench.turn().await;
    assert_eq!((bench.seen.starts("held"), bench.seen.starts("free")), (0, 1));
    bench.pass(secs(9)).await;
    assert_eq!(bench.seen.starts("held"), 0);
    bench.pass(secs(2)).await;
    assert_eq!(bench.seen.starts("held"), 1);
    bench.enqueue("later", [Do::Succeed]).await;
    assert_eq!(bench.seen.starts("later"), 1);
}

#[tokio::test]
async fn a_worker_knows_the_paused_tasks_before_its_first_job() {
    let bench = Bench::new();
    bench.enqueue("job", [Do::Succeed]).await;
    pause(&bench, None).await;
    let _worker = bench.start().await;
    assert_eq!((bench.seen.starts("job"), bench.state("job").await), (0, JobState::Scheduled));
}

#[tokio::test]
async fn jobs_of_a_task_that_is_not_paused_send_no_request() {
    let bench = Bench::new();
    let faulty = Arc::new(FaultyTransport::new(bench.broker.clone(), FaultPlan::new()));
    let _worker = crate::bench::run(bench.builder(faulty.clone()));
    bench.turn().await;
    bench.enqueue("first", [Do::Succeed]).await;
    let of = |op| faulty.calls(op);
    let before = (of(Op::Other), of(Op::State));
    bench.enqueue("second", [Do::Succeed]).await;
    assert_eq!((of(Op::Other), of(Op::State)), before);
    assert_eq!(bench.seen.starts("second"), 1);
    // No job waits for a broker that does not answer which tasks are paused.
    faulty.set_plan(FaultPlan::new().on(Op::Other, 1, 1000, Fault::Unreachable));
    bench.enqueue("third", [Do::Succeed]).await;
    assert_eq!(bench.seen.starts("third"), 1);
}
