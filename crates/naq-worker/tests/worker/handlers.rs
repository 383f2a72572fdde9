//! Handlers: results, panics, timeouts, arguments.

use std::sync::Arc;

use naq_core::{Failure, JobState, Payload};
use naq_worker::{Context, Registry};

use crate::bench::{Bench, Do, run, secs};

#[tokio::test]
async fn a_job_runs_once_and_its_result_is_stored() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    let job = bench.client.enqueue(crate::bench::Script(vec![Do::Succeed])).await.expect("sent");
    bench.turn().await;
    assert_eq!(job.result().await.expect("readable").as_deref(), Some("attempt 1 of 4"));
    assert_eq!(bench.history(job.id().as_str()).await, ["1:Completed:succeeded"]);
    assert_eq!((bench.seen.total(), bench.left().await), (1, 0));
}

#[tokio::test]
async fn a_panic_is_a_failed_attempt_and_does_not_stop_the_worker() {
    let bench = Bench::new();
    let _worker = bench.start_with(|b| b.concurrency(1)).await;
    bench.enqueue("panics", [Do::Panic, Do::Succeed]).await;
    let report = bench.report("panics").await;
    assert_eq!(report.state, JobState::Retrying);
    let history = report.envelope.expect("readable").history;
    assert_eq!(history[0].error_kind.as_ref().map(|k| k.as_str()), Some("Panic"));
    assert_eq!(history[0].message.as_deref(), Some("as the script says"));
    bench.enqueue("other", [Do::Succeed]).await;
    assert_eq!(bench.state("other").await, JobState::Completed);
    bench.pass(secs(5)).await;
    assert_eq!(bench.state("panics").await, JobState::Completed);
}

#[tokio::test]
async fn a_handler_that_outlives_its_timeout_is_dropped_even_if_that_panics() {
    let bench = Bench::new();
    let _worker = bench.start_with(|b| b.concurrency(1)).await;
    let script = crate::bench::Script(vec![Do::PanicInDrop, Do::Succeed]);
    bench.client.enqueue(script).id("slow").timeout(secs(60)).await.expect("sent");
    bench.pass(secs(59)).await;
    assert_eq!(bench.state("slow").await, JobState::Running);
    bench.pass(secs(1)).await;
    let history = bench.report("slow").await.envelope.expect("readable").history;
    assert_eq!(history[0].error_kind.as_ref().map(|k| k.as_str()), Some("TimeoutError"));
    assert_eq!(history[0].message.as_deref(), Some("took longer than its timeout, 1m"));
    bench.pass(secs(5)).await;
    assert_eq!(bench.state("slow").await, JobState::Completed);
    assert_eq!(bench.seen.starts("slow"), 2);
}

#[tokio::test]
async fn a_hung_handler_costs_one_slot_and_no_more() {
    let bench = Bench::new();
    let _worker = bench.start_with(|b| b.concurrency(2)).await;
    bench.enqueue("hung", [Do::Hang { heed: false }]).await;
    for n in 0..50 {
        bench.enqueue(&format!("job{n}"), [Do::Succeed]).await;
    }
    assert_eq!(bench.seen.total(), 51);
    assert_eq!(bench.left().await, 1);
    bench.pass(secs(3600)).await;
    assert_eq!((bench.state("hung").await, bench.seen.starts("hung")), (JobState::Running, 1));
}

#[tokio::test]
async fn a_handler_by_name_takes_values_or_payloads() {
    async fn value(args: serde_json::Value, _: Context) -> Result<u64, Failure> {
        Ok(args["n"].as_u64().unwrap_or(0) + 1)
    }
    async fn payload(args: Payload, _: Context) -> Result<usize, Failure> {
        Ok(args.bytes().len())
    }
    let bench = Bench::new();
    let registry = Registry::new().raw("value", value).raw("payload", payload);
    let _worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry));
    for (task, expected) in [("value", 42), ("payload", 8)] {
        let args = serde_json::json!({"n": 41});
        let job = bench.client.enqueue_task(task, &args).expect("a name").await.expect("sent");
        bench.turn().await;
        assert_eq!(job.result().await.expect("readable"), Some(expected.into()), "{task}");
    }
}

#[tokio::test]
async fn arguments_that_do_not_fit_the_handler_are_never_retried() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    let job = bench.client.enqueue_task("script", &7).expect("a name").await.expect("sent");
    bench.turn().await;
    let dead = bench.report(job.id().as_str()).await.dead.expect("dead");
    assert_eq!((dead.error_kind.as_str(), dead.rule.as_str()), ("DecodeError", "fatal"));
    assert_eq!(bench.seen.total(), 0);
}

#[test]
#[should_panic(expected = "task \"same\" has a handler already")]
fn two_handlers_for_one_task_are_refused() {
    async fn handler(_: Payload, _: Context) -> Result<(), Failure> {
        Ok(())
    }
    let _ = Registry::new().raw("same", handler).raw("same", handler);
}

/// State whose clone panics where the worker calls a handler.
struct Brittle(Arc<std::sync::atomic::AtomicBool>);

impl Clone for Brittle {
    fn clone(&self) -> Self {
        assert!(!self.0.load(std::sync::atomic::Ordering::SeqCst), "in clone");
        Self(self.0.clone())
    }
}

async fn idle(_: Payload, _: Context<Brittle>) -> Result<(), Failure> {
    Ok(())
}

#[tokio::test]
async fn a_state_whose_clone_panics_is_a_failed_attempt_and_costs_no_slot() {
    let bench = Bench::new();
    let broken = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let registry = Registry::with_state(Brittle(broken.clone())).raw("idle", idle);
    let builder = bench.builder_of(Arc::new(bench.broker.clone()), registry);
    let _worker = run(builder.concurrency(1));
    for (id, breaks, state) in [("a", true, JobState::Dead), ("b", false, JobState::Completed)] {
        broken.store(breaks, std::sync::atomic::Ordering::SeqCst);
        let job = bench.client.enqueue_task("idle", &()).expect("a name").id(id).max_retries(0);
        job.await.expect("sent");
        bench.turn().await;
        assert_eq!(bench.state(id).await, state, "{id}");
    }
}
