//! Run-now races the due time.

use std::time::Duration;

use futures_util::future::join_all;
use naq_client::ClientError;
use naq_core::JobState;

use crate::TIMES;
use crate::arena::Arena;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_now_that_races_the_due_time_starts_the_job_once() {
    let (arena, _ending) = Arena::new().await;
    let races = (0..TIMES).map(|n| {
        let arena = &arena;
        async move {
            let key = arena.enqueue_raced(n, Duration::from_millis(1_250)).await;
            let answer = arena.client.retry_now(&key).await;
            (key, answer)
        }
    });
    let (keys, answers): (Vec<_>, Vec<_>) = join_all(races).await.into_iter().unzip();
    let mut released = 0;
    for (left, answer) in arena.settle(&keys).await.iter().zip(&answers) {
        assert_eq!((left.outcome(), left.starts.as_slice()), (JobState::Completed, &[1][..]));
        match answer {
            Ok(_) => released += 1,
            // Its time had come.
            Err(ClientError::State { .. }) => {}
            Err(other) => panic!("{}: {other}", left.key),
        }
    }
    assert!(released > 0 && released < TIMES, "{released} of {TIMES}: no race");
}
