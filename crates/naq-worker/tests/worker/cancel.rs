//! An operator cancels a job.

use std::sync::atomic::Ordering;

use naq_core::JobState;

use crate::bench::{Bench, Do, LEASE, secs};

#[tokio::test]
async fn a_running_handler_is_stopped_and_the_job_stays_cancelled() {
    for heed in [true, false] {
        let bench = Bench::new();
        let _worker = bench.start_with(|b| b.concurrency(1)).await;
        bench.enqueue("job", [Do::Hang { heed }]).await;
        let key = bench.report("job").await.key;
        bench.client.cancel(&key, "not needed").await.expect("cancelled");
        bench.pass(secs(1)).await;
        assert_eq!(bench.seen.stopped.load(Ordering::SeqCst), heed);
        // Its slot is free, and the job does not come back.
        bench.enqueue("next", [Do::Succeed]).await;
        assert_eq!(bench.state("next").await, JobState::Completed);
        bench.pass(LEASE * 2).await;
        assert_eq!((bench.state("job").await, bench.seen.starts("job")), (JobState::Cancelled, 1));
        assert_eq!(bench.left().await, 0);
    }
}

#[tokio::test]
async fn a_cancelled_job_that_fails_before_the_signal_arrives_does_not_come_back() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    bench.enqueue("job", [Do::Fail("Error".into())]).await;
    let key = bench.report("job").await.key;
    bench.client.cancel(&key, "not needed").await.expect("cancelled");
    bench.pass(secs(60)).await;
    assert_eq!((bench.state("job").await, bench.seen.starts("job")), (JobState::Cancelled, 1));
}
