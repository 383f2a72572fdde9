//! A worker process dies between two steps of settle, on a real broker, and another takes over:
//! nothing is lost, nothing is doubled.

use naq_faults::script::{Script, Step};

use crate::support::{Scene, died};

/// Where the first worker dies, the steps that must run, and the crashes that must be counted.
struct Case {
    script: Script,
    die: &'static str,
    /// Attempt and snoozes of each run, in their order.
    runs: &'static [(u32, u32)],
    crashes: u32,
}

const fn case(
    script: Script,
    die: &'static str,
    runs: &'static [(u32, u32)],
    crashes: u32,
) -> Case {
    Case { script, die, runs, crashes }
}

/// Plays a case through: the job ends as its script says, after exactly these runs.
async fn play(case: &Case) {
    let what = format!("{:?}, {}", case.script, case.die);
    let scene = Scene::new("settle").await;
    // It expires by becoming due after its deadline.
    let delay_ms = if case.script == Script::Expire { 400 } else { 0 };
    let job = scene.enqueue(case.script, delay_ms).await;
    died(scene.worker("first", Some(case.die))).await;
    let _second = scene.worker("second", None);

    let end = scene.end(&job).await;
    // Whatever the first left in the queue has been handed out again by now, and dropped.
    scene.quiet().await;
    let ending = case.script.ending(job.pace);
    assert_eq!((end.state, end.step), (ending.state, ending.step), "{what}");
    assert_eq!(end.rule.as_deref(), ending.rule, "{what}");
    assert_eq!(end.crashes, case.crashes, "{what}: crashes");
    let runs: Vec<_> = scene.runs(&job).iter().map(|run| run.step).collect();
    let expected =
        case.runs.iter().map(|(attempt, snoozes)| Step { attempt: *attempt, snoozes: *snoozes });
    assert_eq!(runs, expected.collect::<Vec<_>>(), "{what}: runs");
}

async fn play_all(cases: &[Case]) {
    futures_util::future::join_all(cases.iter().map(play)).await;
}

#[tokio::test]
async fn a_worker_that_dies_completing_a_job_runs_it_again_only_before_the_record() {
    play_all(&[
        case(Script::Succeed, "before-record", &[(1, 0), (1, 0)], 1),
        case(Script::Succeed, "after-record", &[(1, 0)], 0),
        case(Script::Succeed, "after-ack", &[(1, 0)], 0),
    ])
    .await;
}

#[tokio::test]
async fn a_worker_that_dies_retrying_a_job_runs_the_attempt_again_only_before_the_schedule() {
    let script = Script::FailThenSucceed { failures: 1 };
    play_all(&[
        case(script, "before-retry", &[(1, 0), (1, 0), (2, 0)], 1),
        case(script, "after-retry", &[(1, 0), (2, 0)], 0),
        case(script, "after-ack", &[(1, 0), (2, 0)], 0),
    ])
    .await;
}

#[tokio::test]
async fn a_worker_that_dies_snoozing_a_job_counts_no_attempt_and_no_second_snooze() {
    play_all(&[
        case(Script::Snooze, "before-retry", &[(1, 0), (1, 0), (1, 1)], 1),
        case(Script::Snooze, "after-retry", &[(1, 0), (1, 1)], 0),
        case(Script::Snooze, "after-ack", &[(1, 0), (1, 1)], 0),
    ])
    .await;
}

#[tokio::test]
async fn a_worker_that_dies_burying_a_job_leaves_one_record_and_one_dead_letter() {
    play_all(&[
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
    play_all(&[
        case(Script::Cancel, "before-record", &[(1, 0), (1, 0)], 1),
        case(Script::Cancel, "after-record", &[(1, 0)], 0),
        case(Script::Cancel, "after-ack", &[(1, 0)], 0),
        case(Script::Expire, "before-record", &[], 1),
        case(Script::Expire, "after-record", &[], 0),
        case(Script::Expire, "after-ack", &[], 0),
    ])
    .await;
}

#[tokio::test]
async fn a_worker_that_dies_giving_a_job_back_leaves_one_job() {
    // Cut off by a grace period that is shorter than the job; given back; run again from the start.
    let give_back = async |die: &str, crashes: u32| {
        let scene = Scene::new("back").await;
        let job = scene.enqueue(Script::Slow { ms: 2_500 }, 0).await;
        let mut first = scene.worker_with("first", Some(die), &["--shutdown-ms", "100"]);
        scene.started(&job).await;
        first.terminate().expect("a signal");
        died(first).await;
        let _second = scene.worker("second", None);
        let end = scene.end(&job).await;
        scene.quiet().await;
        let finished: Vec<_> = scene.runs(&job).iter().map(|run| run.finish.is_some()).collect();
        assert_eq!(finished, [false, true], "{die}: runs");
        assert_eq!((end.step, end.crashes), (Step::attempt(1), crashes), "{die}");
    };
    tokio::join!(
        give_back("before-give-back", 1),
        give_back("after-give-back", 0),
        give_back("after-ack", 0),
    );
}
