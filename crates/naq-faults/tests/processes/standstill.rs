//! A worker process stands still, as on a machine that is too busy, or a laptop that sleeps.

use naq_core::JobState;
use naq_faults::script::Script;

use crate::setup::{TIME_LIMIT, TestSetup};

#[tokio::test]
async fn what_a_worker_that_stood_still_has_in_hand_and_another_has_ended_does_not_run_again() {
    let setup = TestSetup::new("still").await;
    // Fast jobs make the worker prefetch, so that it has slow jobs without a slot when it stops.
    setup.enqueue_many(Script::Succeed, 300).await;
    let slow = setup.enqueue_many(Script::Slow { ms: 300 }, 12).await;
    let mut still = setup.worker_with("still", None, &["--concurrency", "2"]);
    setup.started(&slow[0]).await;
    still.pause().expect("it stops");
    let mut other = setup.worker_with("other", None, &["--concurrency", "12"]);
    for job in &slow {
        assert_eq!(setup.end(job).await.state, JobState::Completed);
    }
    other.terminate().expect("a signal");
    other.wait(TIME_LIMIT).await.expect("it drains");

    still.resume().expect("it goes on");
    let last = setup.enqueue(Script::Succeed, 0).await;
    assert_eq!(setup.end(&last).await.state, JobState::Completed);
    let mut waited = 0;
    for job in &slow {
        let runs = setup.runs(job);
        let workers: Vec<_> = runs.iter().map(|run| run.worker.as_str()).collect();
        match workers.as_slice() {
            // It ran when the worker stopped.
            ["still", ..] => {}
            ["other"] => waited += 1,
            _ => panic!("{} ran on {workers:?}", job.id),
        }
    }
    assert!(waited > 0, "every job had a slot");
}
