//! A worker process dies between two steps of settling, on a real broker, and another worker takes over.
//! No job is lost, and no step is done twice.

use naq_faults::script::{Script, ScriptStep};

use crate::setup::{TestSetup, broker_url, died};

/// Where the first worker dies, which steps must run, and how many crashes must be counted.
pub(crate) struct CrashCase {
    script: Script,
    die: &'static str,
    /// Attempt and snoozes of each run, in order.
    runs: &'static [(u32, u32)],
    crashes: u32,
}

const fn case(
    script: Script,
    die: &'static str,
    runs: &'static [(u32, u32)],
    crashes: u32,
) -> CrashCase {
    CrashCase { script, die, runs, crashes }
}

/// Runs a case. The job must end as its script says, after exactly these runs.
async fn check(url: &str, case: &CrashCase) {
    let what = format!("{:?}, {}", case.script, case.die);
    let setup = TestSetup::at(url.to_owned(), "settle").await;
    // It expires because it is due after its deadline.
    let delay_ms = if case.script == Script::Expire { 400 } else { 0 };
    let job = setup.enqueue(case.script, delay_ms).await;
    died(setup.worker("first", Some(case.die))).await;
    let _second = setup.worker("second", None);

    let end = setup.end(&job).await;
    // By now, messages that the first worker left in the queue were delivered again and acked.
    setup.wait_until_empty().await;
    let expected_end = case.script.expected_end(job.pace);
    assert_eq!((end.state, end.step), (expected_end.state, expected_end.step), "{what}");
    assert_eq!(end.rule.as_deref(), expected_end.rule, "{what}");
    let counted = u32::from(setup.is_listed("first", &job).await);
    assert_eq!(end.crashes, case.crashes * counted, "{what}: crashes");
    let runs: Vec<_> = setup.runs(&job).iter().map(|run| run.step).collect();
    let expected = case
        .runs
        .iter()
        .map(|(attempt, snoozes)| ScriptStep { attempt: *attempt, snoozes: *snoozes });
    assert_eq!(runs, expected.collect::<Vec<_>>(), "{what}: runs");
}

async fn check_all(cases: &[CrashCase]) {
    check_all_at(&broker_url().await, cases).await;
}

/// Runs these cases at the broker with this address, at the same time.
pub(crate) async fn check_all_at(url: &str, cases: &[CrashCase]) {
    futures_util::future::join_all(cases.iter().map(|case| check(url, case))).await;
}

/// A worker dies while it completes a job.
pub(crate) const COMPLETING: [CrashCase; 3] = [
    case(Script::Succeed, "before-record", &[(1, 0), (1, 0)], 1),
    case(Script::Succeed, "after-record", &[(1, 0)], 0),
    case(Script::Succeed, "after-ack", &[(1, 0)], 0),
];

/// A worker dies while it retries a job.
pub(crate) const RETRYING: [CrashCase; 3] = [
    case(Script::FailThenSucceed { failures: 1 }, "before-retry", &[(1, 0), (1, 0), (2, 0)], 1),
    case(Script::FailThenSucceed { failures: 1 }, "after-retry", &[(1, 0), (2, 0)], 0),
    case(Script::FailThenSucceed { failures: 1 }, "after-ack", &[(1, 0), (2, 0)], 0),
];

#[tokio::test]
async fn a_worker_that_dies_completing_a_job_runs_it_again_only_before_the_record() {
    check_all(&COMPLETING).await;
}

#[tokio::test]
async fn a_worker_that_dies_retrying_a_job_runs_the_attempt_again_only_before_the_schedule() {
    check_all(&RETRYING).await;
}

#[tokio::test]
async fn a_worker_that_dies_snoozing_a_job_counts_no_attempt_and_no_second_snooze() {
    check_all(&[
        case(Script::Snooze, "before-retry", &[(1, 0), (1, 0), (1, 1)], 1),
        case(Script::Snooze, "after-retry", &[(1, 0), (1, 1)], 0),
        case(Script::Snooze, "after-ack", &[(1, 0), (1, 1)], 0),
    ])
    .await;
}

#[tokio::test]
async fn a_worker_that_dies_while_a_job_becomes_dead_leaves_one_record_and_one_dead_letter() {
    check_all(&[
        case(Script::Fatal, "before-record", &[(1, 0), (1, 0)], 1),
        case(Script::Fatal, "after-record", &[(1, 0)], 0),
        case(Script::Fatal, "before-dead", &[(1, 0)], 0),
        case(Script::Fatal, "after-dead", &[(1, 0)], 0),
        case(Script::Fatal, "after-ack", &[(1, 0)], 0),
    ])
    .await;
}

#[tokio::test]
async fn a_worker_that_dies_cancelling_or_expiring_a_job_leaves_one_record() {
    check_all(&[
        case(Script::Cancel, "before-record", &[(1, 0), (1, 0)], 1),
        case(Script::Cancel, "after-record", &[(1, 0)], 0),
        case(Script::Cancel, "after-ack", &[(1, 0)], 0),
        case(Script::Expire, "before-record", &[], 0),
        case(Script::Expire, "after-record", &[], 0),
        case(Script::Expire, "after-ack", &[], 0),
    ])
    .await;
}

#[tokio::test]
async fn a_worker_that_dies_giving_a_job_back_leaves_one_job() {
    // The shutdown timeout is shorter than the job, so the job is given back and starts again.
    let give_back = async |die: &str, crashes: u32| {
        let setup = TestSetup::new("back").await;
        let job = setup.enqueue(Script::Slow { ms: 2_500 }, 0).await;
        let mut first = setup.worker_with("first", Some(die), &["--shutdown-ms", "100"]);
        setup.started(&job).await;
        first.terminate().expect("a signal");
        died(first).await;
        let _second = setup.worker("second", None);
        let end = setup.end(&job).await;
        setup.wait_until_empty().await;
        let finished: Vec<_> = setup.runs(&job).iter().map(|run| run.finish.is_some()).collect();
        assert_eq!(finished, [false, true], "{die}: runs");
        assert_eq!((end.step, end.crashes), (ScriptStep::attempt(1), crashes), "{die}");
    };
    tokio::join!(
        give_back("before-give-back", 1),
        give_back("after-give-back", 0),
        give_back("after-ack", 0),
    );
}
