//! Leases: renewed, lost, and taken again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use naq_core::testing::{Fault, FaultPlan, ManualClock, Op};
use naq_core::{Clock, JobState};

use crate::bench::{Bench, Do, LEASE, run, secs};

#[tokio::test]
async fn a_long_job_keeps_its_lease_and_runs_once_beside_an_idle_worker() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    bench.enqueue("job", [Do::Gate]).await;
    let _idle = bench.start().await;
    bench.pass(secs(600)).await;
    assert_eq!((bench.state("job").await, bench.seen.starts("job")), (JobState::Running, 1));
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    assert_eq!(bench.state("job").await, JobState::Completed);
    assert_eq!(bench.report("job").await.envelope.expect("readable").crashes, 0);
}

#[tokio::test]
async fn a_worker_that_cannot_renew_stops_the_handler_before_the_lease_ends_and_settles_nothing() {
    let bench = Bench::new();
    let (_worker, faulty) = bench.start_faulty(FaultPlan::new()).await;
    bench.enqueue("job", [Do::Hang { heed: true }]).await;
    let _second = bench.start().await;
    faulty.cut();
    bench.pass(LEASE - secs(1)).await;
    assert!(!bench.seen.stopped.load(Ordering::SeqCst));
    bench.pass(secs(1)).await;
    assert!(bench.seen.stopped.load(Ordering::SeqCst));
    faulty.mend();
    bench.pass(secs(5)).await;
    // The second worker has it now; the first wrote nothing, not even its failure.
    assert_eq!((bench.state("job").await, bench.seen.starts("job")), (JobState::Running, 2));
    assert_eq!(faulty.calls(Op::Retry) + faulty.calls(Op::Record), 0);
}

#[tokio::test]
async fn a_short_outage_costs_nothing() {
    let bench = Bench::new();
    let (_worker, faulty) = bench.start_faulty(FaultPlan::new()).await;
    bench.enqueue("job", [Do::Gate]).await;
    faulty.cut();
    bench.pass(secs(6)).await;
    bench.seen.gate.notify_waiters();
    bench.pass(secs(1)).await;
    faulty.mend();
    bench.pass(secs(3)).await;
    assert_eq!((bench.state("job").await, bench.seen.starts("job")), (JobState::Completed, 1));
}

#[tokio::test]
async fn a_message_that_comes_again_while_it_runs_here_is_not_run_twice() {
    let bench = Bench::new();
    // The renewals are lost, so the broker delivers the job again, to the same worker.
    let plan = FaultPlan::new().on(Op::Renew, 1, 3, Fault::Lost);
    let (_worker, _) = bench.start_faulty(plan).await;
    bench.enqueue("job", [Do::Gate]).await;
    bench.pass(LEASE + secs(5)).await;
    assert_eq!(bench.seen.starts("job"), 1);
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    let job = bench.report("job").await;
    assert_eq!((job.state, job.envelope.expect("readable").crashes), (JobState::Completed, 0));
    assert_eq!(bench.left().await, 0);
}

#[tokio::test]
async fn a_lost_ack_does_not_run_the_job_again() {
    let bench = Bench::new();
    let (_worker, faulty) =
        bench.start_faulty(FaultPlan::new().on(Op::Ack, 1, 1, Fault::Lost)).await;
    bench.enqueue("job", [Do::Succeed]).await;
    assert_eq!(bench.left().await, 1);
    bench.pass(LEASE + secs(1)).await;
    assert_eq!((bench.seen.starts("job"), bench.left().await), (1, 0));
    assert!(faulty.calls(Op::Evidence) >= 1);
}

#[tokio::test]
async fn a_suspect_waits_until_it_could_be_checked() {
    let bench = Bench::new();
    bench.enqueue("old", [Do::Succeed]).await;
    let plan = FaultPlan::new().on(Op::Evidence, 1, 4, Fault::Unreachable);
    let (_worker, _) = bench.start_faulty(plan).await;
    bench.turn().await;
    assert_eq!(bench.seen.starts("old"), 0);
    bench.pass(secs(5)).await;
    assert_eq!((bench.state("old").await, bench.seen.starts("old")), (JobState::Completed, 1));
}

#[tokio::test]
async fn a_job_that_waits_for_a_slot_as_long_as_a_lease_is_given_back() {
    let bench = Bench::new();
    let _busy = bench.start_with(|b| b.concurrency(1).queues(["default", "other"])).await;
    // Both queues ask for the one free slot; what arrives second has to wait.
    let job = |queue: &'static str, script| {
        bench.client.enqueue(crate::bench::Script(vec![script])).id(queue).queue(queue)
    };
    job("default", Do::Hang { heed: false }).await.expect("sent");
    job("other", Do::Succeed).await.expect("sent");
    bench.turn().await;
    assert_eq!(bench.state("other").await, JobState::Running);
    bench.pass(LEASE + secs(4)).await;
    assert_eq!((bench.state("other").await, bench.seen.starts("other")), (JobState::Pending, 0));
    let _free = bench.start_with(|b| b.queue("other")).await;
    let job = bench.report("other").await;
    let envelope = job.envelope.expect("readable");
    assert_eq!((job.state, envelope.attempt, envelope.crashes), (JobState::Completed, 1, 0));
}

#[tokio::test]
async fn a_clock_that_is_set_forward_costs_no_lease() {
    let bench = Bench::new();
    let clock = ManualClock::new();
    let (builder, timer) = (bench.builder(Arc::new(bench.broker.clone())), clock.clone());
    let _worker = run(builder.clock(Arc::new(timer)));
    let pass = async |secs| {
        for _ in 0..secs {
            bench.pass(Duration::from_secs(1)).await;
            clock.advance(Duration::from_secs(1)).await;
        }
    };
    pass(1).await;
    bench.enqueue("job", [Do::Hang { heed: true }]).await;
    pass(5).await;
    // The broker's clock was not set.
    clock.set(clock.now() + LEASE * 6);
    pass(30).await;
    assert!(!bench.seen.stopped.load(Ordering::SeqCst), "it was told that its lease is lost");
    assert_eq!((bench.state("job").await, bench.seen.starts("job")), (JobState::Running, 1));
}
