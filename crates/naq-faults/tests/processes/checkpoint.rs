//! Saved data and results survive the death of the worker process.

use naq_core::JobState;
use naq_faults::job::CheckpointJob;
use naq_testing::eventually;

use crate::setup::{TIME_LIMIT, TestSetup};

const STEPS: u64 = 60;
const RESULT: usize = 5_000_000;

#[tokio::test]
async fn a_job_continues_at_its_checkpoint_after_its_worker_was_killed() {
    let setup = TestSetup::new("walk").await;
    let client = setup.client();
    let file = setup.file("steps");
    let walk = CheckpointJob { steps: STEPS, step_ms: 50, file: file.clone(), result: RESULT };
    let job = client.enqueue(walk).await.expect("enqueued");
    let mut first = setup.worker("first", None);
    eventually("progress", TIME_LIMIT, async || {
        let report = job.report().await.expect("a report");
        report.progress.is_some_and(|progress| progress.done >= 10)
    })
    .await;
    first.kill().expect("SIGKILL");
    let _second = setup.worker("second", None);

    let result = job.wait(TIME_LIMIT).await.expect("completes");
    assert_eq!(result.len(), RESULT, "a result of 5 MB, through the broker");
    let report = job.report().await.expect("a report");
    let envelope = report.envelope.expect("readable");
    assert_eq!((report.state, envelope.crashes), (JobState::Completed, 1));
    assert!(report.stored.message.size() < 4_000, "its record is small");

    let lines = std::fs::read_to_string(file).expect("the file of steps");
    let made: Vec<(u32, u64)> = lines
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(pid, step)| (pid.parse().expect("a pid"), step.parse().expect("a step")))
        .collect();
    let switch = made.iter().position(|(pid, _)| *pid != made[0].0).expect("two processes");
    let last = made[switch - 1].1;
    let next = made[switch].1;
    assert!(next == last || next == last + 1, "it continued at {next} after {last}");
    assert!(made.len() as u64 <= STEPS + 1, "at most the interrupted step ran twice: {lines}");
    for step in 0..STEPS {
        assert!(made.iter().any(|(_, made)| *made == step), "step {step}: {lines}");
    }
}
