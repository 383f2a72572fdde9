//! An operator cancels a job.

use std::sync::atomic::Ordering;

use naq_core::JobState;
use naq_core::transport::{Operator, Signal};
use naq_core::wire::AttemptOutcome;

use crate::bench::{Bench, Do, LEASE, Script, secs};

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

#[tokio::test]
async fn the_record_of_a_cancelled_job_says_which_worker_ran_it_and_since_when() {
    let bench = Bench::new();
    let _worker = bench.start_with(|b| b.concurrency(1)).await;
    bench.enqueue("job", [Do::Hang { heed: true }]).await;
    bench.pass(secs(7)).await;
    let key = bench.report("job").await.key;
    bench.client.cancel(&key, "not needed").await.expect("cancelled");
    bench.pass(secs(1)).await;
    let report = bench.report("job").await;
    assert_eq!(report.state, JobState::Cancelled);
    let entry = report.envelope.expect("readable").history.pop().expect("an entry");
    assert_eq!(entry.outcome, AttemptOutcome::Cancelled);
    assert_eq!(entry.reason.as_deref(), Some("not needed"));
    assert_eq!(entry.worker, Some(bench.workers().await[0].worker_id.clone()));
    let ran = entry.ended_at.expect("an end").since(entry.started_at.expect("a start"));
    assert!((secs(7)..=secs(8)).contains(&ran), "{ran:?}");
}

/// The broker had taken the job from its schedule when it was cancelled, and puts it into the queue later.
#[tokio::test]
async fn a_job_that_arrives_after_its_cancel_does_not_start() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    let job = bench.client.enqueue(Script(vec![Do::Succeed])).id("job").delay(secs(5));
    job.await.expect("sent");
    let report = bench.report("job").await;
    let nonce = Some(report.stored.step().nonce.to_string());
    let signal = Signal::Cancel { queue: report.key.queue, id: report.key.id, nonce };
    bench.broker.signal(&signal).await.expect("sent");
    bench.pass(secs(6)).await;
    assert_eq!((bench.state("job").await, bench.seen.starts("job")), (JobState::Cancelled, 0));
    assert_eq!(bench.left().await, 0);
}

#[tokio::test]
async fn a_job_that_a_signal_alone_cancels_leaves_a_record() {
    let bench = Bench::new();
    let _worker = bench.start_with(|b| b.concurrency(1)).await;
    bench.enqueue("job", [Do::Hang { heed: true }]).await;
    let key = bench.report("job").await.key;
    let signal = Signal::Cancel { queue: key.queue, id: key.id, nonce: None };
    bench.broker.signal(&signal).await.expect("sent");
    bench.pass(secs(1)).await;
    assert_eq!(bench.state("job").await, JobState::Cancelled);
    assert_eq!(bench.history("job").await, ["1:Cancelled:cancel"]);
    bench.pass(LEASE * 2).await;
    assert_eq!((bench.seen.starts("job"), bench.left().await), (1, 0));
}
