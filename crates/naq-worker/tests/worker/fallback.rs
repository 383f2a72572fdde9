//! The fallback: runs once, when a failure would end the job.

use std::sync::Arc;

use naq_core::testing::{DiePoint, FaultPlan, FaultyTransport, Op};
use naq_core::{ErrorKind, Failure, JobState};
use naq_worker::{Context, Registry};
use serde_json::Value;

use crate::bench::{Bench, Do, LEASE, Script, Seen, registry, run, secs};

fn fail() -> Do {
    Do::Fail("ConnectionError".into())
}

/// Returns what it finds in its context.
async fn save(job: Script, cx: Context<Arc<Seen>>) -> Result<String, Failure> {
    let error = cx.last_error().map(|error| error.to_string()).unwrap_or_default();
    Ok(format!("{cx}, {} lines, {error}", job.0.len()))
}

#[tokio::test]
async fn a_fallback_completes_the_job_when_no_retry_is_left_and_not_before() {
    let bench = Bench::new();
    let registry = registry(&bench.seen).fallback(save);
    let _worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry));
    let job = bench.client.enqueue(Script(vec![fail()])).id("job").max_retries(1);
    job.await.expect("sent");
    bench.turn().await;
    assert_eq!(bench.state("job").await, JobState::Retrying);
    bench.pass(secs(5)).await;
    let report = bench.report("job").await;
    assert_eq!((report.state, bench.seen.starts("job")), (JobState::Completed, 2));
    let result: String = report.result.expect("kept").decode().expect("a text");
    assert_eq!(result, "attempt 2 of 2, 1 lines, ConnectionError: as the script says");
    assert_eq!(bench.history("job").await, ["1:Failed:strategy", "2:Completed:fallback"]);
    let history = report.envelope.expect("readable").history;
    let last = &history[1];
    assert_eq!(last.error_kind, Some(ErrorKind::CONNECTION));
    assert_eq!(
        last.reason.as_deref(),
        Some(
            "attempt 2 of 2 failed with ConnectionError, and no retry is left: \
             the fallback completed the job"
        )
    );
}

#[tokio::test]
async fn a_fallback_is_for_failures_that_end_the_job_and_for_nothing_else() {
    let bench = Bench::new();
    let registry = registry(&bench.seen).fallback(save);
    let _worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry));
    bench.enqueue("fatal", [Do::Fatal]).await;
    assert_eq!(bench.history("fatal").await, ["1:Completed:fallback"]);
    bench.enqueue("panics", [fail(), fail(), fail(), Do::Panic]).await;
    bench.pass(secs(15)).await;
    assert_eq!(bench.state("panics").await, JobState::Completed);
    bench.enqueue("cancels", [Do::Cancel]).await;
    assert_eq!(bench.history("cancels").await, ["1:Cancelled:cancel"]);
    bench.enqueue("fine", [Do::Succeed]).await;
    assert_eq!(bench.history("fine").await, ["1:Completed:succeeded"]);
}

#[tokio::test]
async fn a_job_whose_fallback_fails_too_dies_with_the_error_of_its_handler() {
    let bench = Bench::new();
    let own = [Failure::cancel("no"), Failure::snooze(secs(1)), Failure::msg("no money either")];
    for (n, failure) in own.into_iter().enumerate() {
        let message = failure.to_string();
        let failure = Arc::new(std::sync::Mutex::new(Some(failure)));
        let registry = registry(&bench.seen).fallback(move |_: Script, _| {
            let failure = failure.lock().expect("not poisoned").take().expect("runs once");
            async { Err::<String, _>(failure) }
        });
        let mut worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry));
        let id = format!("job-{n}");
        bench.enqueue(&id, [Do::Fatal]).await;
        let dead = bench.report(&id).await.dead.expect("dead");
        assert_eq!((dead.error_kind, dead.rule.as_str()), (ErrorKind::VALUE, "fatal"));
        assert_eq!(dead.message, "never again");
        assert!(dead.reason.ends_with(&message), "{}: {message}", dead.reason);
        assert!(dead.reason.contains("; the fallback failed with "), "{}", dead.reason);
        worker.stop();
        bench.turn().await;
    }
}

#[tokio::test]
async fn a_fallback_that_panics_or_takes_too_long_ends_as_one_that_fails() {
    for (hangs, kind) in [(false, "Panic"), (true, "TimeoutError")] {
        let bench = Bench::new();
        let registry = registry(&bench.seen).fallback(move |_: Script, _| async move {
            assert!(hangs, "on purpose");
            std::future::pending::<Result<String, Failure>>().await
        });
        let _worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry));
        let job = bench.client.enqueue(Script(vec![Do::Fatal])).id("job").timeout(secs(2));
        job.await.expect("sent");
        bench.turn().await;
        bench.pass(secs(2)).await;
        let dead = bench.report("job").await.dead.expect("dead");
        let noted = format!("; the fallback failed with {kind}");
        assert!(dead.reason.contains(&noted), "{}", dead.reason);
    }
}

#[tokio::test]
async fn a_job_that_is_cancelled_while_its_fallback_runs_is_cancelled() {
    let bench = Bench::new();
    let registry = registry(&bench.seen).fallback(async |_: Script, cx: Context<Arc<Seen>>| {
        cx.cancelled().await;
        Ok::<String, Failure>("too late".into())
    });
    let _worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry));
    bench.enqueue("job", [Do::Fatal]).await;
    assert_eq!(bench.state("job").await, JobState::Running);
    bench.client.cancel(&"job".parse().expect("a key"), "no").await.expect("cancelled");
    bench.turn().await;
    assert_eq!((bench.state("job").await, bench.left().await), (JobState::Cancelled, 0));
}

#[tokio::test]
async fn a_fallback_whose_worker_dies_before_its_result_is_written_runs_again() {
    let bench = Bench::new();
    let plan = FaultPlan::new().die_at(DiePoint::Before(Op::Record), 1);
    let faulty = Arc::new(FaultyTransport::new(bench.broker.clone(), plan));
    let worker = run(bench.builder_of(faulty, registry(&bench.seen).fallback(save)));
    bench.enqueue("job", [Do::Fatal]).await;
    worker.kill().await;
    let over = Arc::new(bench.broker.clone());
    let _second = run(bench.builder_of(over, registry(&bench.seen).fallback(save)));
    bench.pass(LEASE).await;
    assert_eq!(bench.history("job").await, ["1:Crashed:-", "1:Completed:fallback"]);
    assert_eq!((bench.seen.starts("job"), bench.left().await), (2, 0));
}

#[tokio::test]
async fn a_task_registered_by_name_has_a_fallback_too() {
    let bench = Bench::new();
    let registry = Registry::new()
        .raw("t", async |_: Value, _| Err::<(), _>(Failure::msg("no").fatal()))
        .raw_fallback("t", async |args: Value, _| Ok::<_, Failure>(args));
    let _worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry));
    bench.client.enqueue_task("t", &7).expect("a name").id("job").await.expect("sent");
    bench.turn().await;
    let result = bench.report("job").await.result.expect("kept");
    assert_eq!(result.decode::<u8>().expect("a number"), 7);
}

#[test]
#[should_panic(expected = "\"script\", which has no handler")]
fn a_fallback_needs_a_handler() {
    let _ = Registry::with_state(Arc::new(Seen::default())).fallback(save);
}
