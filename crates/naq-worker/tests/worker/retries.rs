//! Failures, and what follows: retries, ends, deaths.

use naq_core::testing::{Fault, FaultPlan, Op};
use naq_core::{JobState, RetryPolicy, Strategy};

use crate::bench::{Bench, Do, Script, secs};

fn fail() -> Do {
    Do::Fail("ConnectionError".into())
}

#[tokio::test]
async fn a_failed_job_waits_for_its_delay_and_holds_no_slot() {
    let bench = Bench::new();
    let _worker = bench.start_with(|b| b.concurrency(1)).await;
    bench.enqueue("job", [fail(), fail(), Do::Succeed]).await;
    assert_eq!(bench.state("job").await, JobState::Retrying);
    bench.enqueue("fresh", [Do::Succeed]).await;
    assert_eq!(bench.state("fresh").await, JobState::Completed);
    bench.pass(secs(5) - std::time::Duration::from_millis(1)).await;
    assert_eq!(bench.seen.starts("job"), 1);
    bench.pass(std::time::Duration::from_millis(1)).await;
    assert_eq!(bench.seen.starts("job"), 2);
    bench.pass(secs(5)).await;
    let report = bench.report("job").await;
    assert_eq!(report.state, JobState::Completed);
    let history = report.envelope.expect("readable").history;
    let (first, last) = (&history[0], &history[2]);
    assert_eq!(first.delay_ms, Some(5000));
    assert_eq!(first.decision.as_deref(), Some("retry"));
    let reason = "attempt 1 of 4 failed with ConnectionError: retry 1 in 5s (fixed)";
    assert_eq!(first.reason.as_deref(), Some(reason));
    assert!(first.worker.is_some() && first.started_at.is_some() && first.due_at.is_none());
    assert_eq!(last.due_at, history[1].ended_at.map(|at| at + secs(5)));
}

#[tokio::test]
async fn a_job_dies_when_its_attempts_are_used_up_and_keeps_its_whole_history() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    let policy = RetryPolicy::builder()
        .max_retries(3)
        .delay(secs(1))
        .strategy(Strategy::Exponential)
        .build();
    let job = bench.client.enqueue(Script(vec![fail()])).id("job").policy(&policy);
    job.await.expect("sent");
    for (starts, wait) in [(1, 1), (2, 2), (3, 4), (4, 0)] {
        bench.turn().await;
        assert_eq!(bench.seen.starts("job"), starts);
        bench.pass(secs(wait)).await;
    }
    let report = bench.report("job").await;
    let dead = report.dead.expect("dead");
    assert_eq!(dead.error_kind.as_str(), "ConnectionError");
    assert_eq!((dead.rule.as_str(), dead.step.attempt), ("max_retries", 4));
    assert_eq!(
        bench.history("job").await,
        ["1:Failed:strategy", "2:Failed:strategy", "3:Failed:strategy", "4:Failed:max_retries"]
    );
}

#[tokio::test]
async fn advice_of_the_handler_is_followed() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    bench.enqueue("fatal", [Do::Fatal]).await;
    assert_eq!(bench.state("fatal").await, JobState::Dead);
    bench.enqueue("cancel", [Do::Cancel]).await;
    assert_eq!(bench.state("cancel").await, JobState::Cancelled);
    assert_eq!(bench.history("cancel").await, ["1:Cancelled:cancel"]);

    bench.enqueue("after", [Do::RetryAfter(17), Do::Succeed]).await;
    bench.pass(secs(16)).await;
    assert_eq!(bench.seen.starts("after"), 1);
    bench.pass(secs(1)).await;
    assert_eq!(bench.history("after").await, ["1:Failed:retry_after", "2:Completed:succeeded"]);

    bench.enqueue("snooze", [Do::Snooze(60)]).await;
    assert_eq!(bench.state("snooze").await, JobState::Retrying);
    bench.pass(secs(60)).await;
    assert_eq!(bench.history("snooze").await, ["1:Snoozed:snooze", "1:Completed:succeeded"]);
    let job = bench.report("snooze").await.envelope.expect("readable");
    assert_eq!((job.attempt, job.snoozes), (1, 1));
}

#[tokio::test]
async fn a_job_whose_deadline_has_passed_is_not_run() {
    let bench = Bench::new();
    let now = naq_core::Clock::now(&bench.clock);
    let job = bench.client.enqueue(Script(vec![Do::Succeed])).id("late").deadline(now + secs(5));
    job.await.expect("sent");
    bench.pass(secs(6)).await;
    let _worker = bench.start().await;
    assert_eq!(bench.state("late").await, JobState::Expired);
    assert_eq!((bench.seen.total(), bench.left().await), (0, 0));
    assert_eq!(bench.history("late").await, ["1:NotRun:deadline"]);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_repeated_and_stored_once() {
    for (op, script, state) in [
        (Op::Record, vec![Do::Succeed], JobState::Completed),
        (Op::Retry, vec![fail(), Do::Succeed], JobState::Completed),
        (Op::Dead, vec![Do::Fatal], JobState::Dead),
    ] {
        for fault in [Fault::Timeout, Fault::Unreachable] {
            let bench = Bench::new();
            let plan = FaultPlan::new().on(op, 1, 3, fault);
            let (_worker, faulty) = bench.start_faulty(plan).await;
            bench.enqueue("job", script.clone()).await;
            bench.pass(secs(9)).await;
            assert_eq!(bench.state("job").await, state, "{op:?} {fault:?}");
            assert_eq!(bench.seen.starts("job"), script.len() as u32, "{op:?} {fault:?}");
            assert!(faulty.calls(op) >= 4 && bench.left().await == 0, "{op:?} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_result_that_the_broker_does_not_take_ends_the_job_and_not_the_worker() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    bench.enqueue("big", [Do::Big(2 * 1024 * 1024)]).await;
    let dead = bench.report("big").await.dead.expect("dead");
    assert_eq!((dead.error_kind.as_str(), dead.rule.as_str()), ("ResultTooLarge", "fatal"));
    assert_eq!(bench.history("big").await, ["1:Failed:fatal"]);
    assert_eq!((bench.seen.starts("big"), bench.left().await), (1, 0));
    bench.enqueue("small", [Do::Big(10)]).await;
    assert_eq!(bench.state("small").await, JobState::Completed);
}
