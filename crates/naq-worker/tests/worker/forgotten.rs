//! The broker loses track of jobs that workers hold.

use naq_core::transport::{Fact, Settler};
use naq_core::wire::FinalRecord;
use naq_core::{Clock, JobState, QueueName};

use crate::bench::{Bench, Do, LEASE, secs};

#[tokio::test]
async fn a_job_that_no_worker_holds_is_stored_again_and_runs() {
    let bench = Bench::new();
    let dead = bench.start().await;
    bench.enqueue("job", [Do::Hang { heed: false }]).await;
    bench.broker.forget_running(&QueueName::default());
    dead.kill().await;
    let _worker = bench.start().await;
    bench.pass(LEASE * 2).await;
    assert_eq!(bench.seen.starts("job"), 1, "another worker may hold it");
    assert_eq!(bench.forgotten().await, 1);
    bench.pass(LEASE + secs(1)).await;
    assert_eq!(bench.seen.starts("job"), 2);
    assert_eq!(bench.forgotten().await, 0);
}

#[tokio::test]
async fn a_job_that_a_worker_holds_is_left_to_it() {
    let bench = Bench::new();
    let _holder = bench.start_with(|b| b.concurrency(1)).await;
    bench.enqueue("job", [Do::Gate]).await;
    let _other = bench.start().await;
    bench.broker.forget_running(&QueueName::default());
    for _ in 0..30 {
        bench.pass(LEASE / 2).await;
    }
    assert_eq!((bench.seen.starts("job"), bench.state("job").await), (1, JobState::Running));
    bench.seen.gate.notify_one();
    bench.turn().await;
    assert_eq!((bench.seen.starts("job"), bench.state("job").await), (1, JobState::Completed));
    assert_eq!((bench.forgotten().await, bench.left().await), (0, 0));
}

#[tokio::test]
async fn a_forgotten_job_that_has_ended_does_not_run_again() {
    let bench = Bench::new();
    let dead = bench.start().await;
    bench.enqueue("job", [Do::Hang { heed: false }]).await;
    // As if the worker had died between the record and the ack.
    let stored = bench.report("job").await.stored;
    let (envelope, state) = (stored.envelope().expect("a job"), JobState::Completed);
    let record = FinalRecord { envelope, state, finished_at: bench.clock.now(), result: None };
    let fact = Fact::record(&stored, &record).expect("encodes").expect("is kept");
    bench.broker.write(&fact).await.expect("stores");
    dead.kill().await;
    bench.broker.forget_running(&QueueName::default());
    let _worker = bench.start().await;
    bench.pass(LEASE * 4).await;
    assert_eq!((bench.seen.starts("job"), bench.state("job").await), (1, JobState::Completed));
    assert_eq!((bench.forgotten().await, bench.left().await), (0, 0));
}
