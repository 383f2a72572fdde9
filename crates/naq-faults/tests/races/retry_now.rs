//! "Retry now" races with the due time.

use std::time::Duration;

use futures_util::future::join_all;
use naq_client::ClientError;
use naq_core::JobState;

use crate::TIMES;
use crate::setup::RaceSetup;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_now_at_the_due_time_starts_the_job_once() {
    let (setup, _ending) = RaceSetup::new().await;
    let races = (0..TIMES).map(|n| {
        let setup = &setup;
        async move {
            let key = setup.enqueue_raced(n, Duration::from_millis(1_250)).await;
            let answer = setup.client.retry_now(&key).await;
            (key, answer)
        }
    });
    let (keys, answers): (Vec<_>, Vec<_>) = join_all(races).await.into_iter().unzip();
    let mut released = 0;
    for (job, answer) in setup.finish(&keys).await.iter().zip(&answers) {
        assert_eq!((job.final_state(), job.starts.as_slice()), (JobState::Completed, &[1][..]));
        match answer {
            Ok(_) => released += 1,
            // The job was due already.
            Err(ClientError::State { .. }) => {}
            Err(other) => panic!("{}: {other}", job.key),
        }
    }
    assert!(released > 0 && released < TIMES, "{released} of {TIMES}: no race");
}
