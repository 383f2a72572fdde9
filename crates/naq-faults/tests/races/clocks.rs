//! A worker and a producer whose clocks are wrong, on a real broker: only the broker's clock decides.

use std::time::Duration;

use naq_core::transport::JobKey;
use naq_core::{JobState, TaskName};

use crate::setup::{HandlerEnd, RaceSetup, now, until};

const HOUR_MS: i64 = 3_600_000;
const TEN_MINUTES: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_brokers_clock_decides_whether_a_job_has_expired_and_a_task_is_paused() {
    let hours = [(HOUR_MS, 0), (-HOUR_MS, 0), (0, HOUR_MS), (0, -HOUR_MS), (HOUR_MS, -HOUR_MS)];
    for (worker, producer) in hours {
        let (setup, _ending) = RaceSetup::with_clocks(worker, producer).await;
        let client = &setup.client;
        let short = Duration::from_secs(1);
        let lives = setup.enqueue_until(HandlerEnd::Success, TEN_MINUTES).await;
        setup.has_state(&lives, JobState::Completed).await;
        // It expires while its queue is paused.
        client.transport().pause(&lives.queue, client.now() + 3 * short).await.unwrap();
        let expires = setup.enqueue_until(HandlerEnd::Success, short).await;
        setup.has_state(&expires, JobState::Expired).await;
        // A retry that would start after the deadline is not made; one before it is.
        let retried = setup.enqueue_until(HandlerEnd::Retried, TEN_MINUTES).await;
        setup.has_state(&retried, JobState::Completed).await;
        // A paused task.
        let (task, queue) = (TaskName::new("race").unwrap(), &lives.queue);
        let paused = client.broker_now().await.unwrap() + 3 * short;
        client.pause_task(queue, &task, Some(paused), "ann", "down").await.unwrap();
        until(now() + short / 2).await;
        let held = setup.enqueue_until(HandlerEnd::Success, TEN_MINUTES).await;
        setup.has_state(&held, JobState::Scheduled).await;
        let keys: [JobKey; 4] = [lives, expires, retried, held];
        let finished = setup.finish(&keys).await;
        let states: Vec<_> = finished.iter().map(|job| job.final_state()).collect();
        let starts: Vec<_> = finished.iter().map(|job| job.starts.len()).collect();
        use JobState::{Completed, Expired};
        assert_eq!(states, [Completed, Expired, Completed, Completed], "{worker} {producer}");
        assert_eq!(starts, [1, 0, 2, 1], "{worker} {producer}");
    }
}
