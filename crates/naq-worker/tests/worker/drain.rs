//! Drain: finish, give back, leave the directory.

use std::sync::atomic::Ordering;
use std::time::Duration;

use naq_core::JobState;
use naq_core::transport::WorkerStatus;
use naq_worker::Exit;

use crate::bench::{Bench, Do, secs};

#[tokio::test]
async fn an_idle_worker_stops_at_once_and_leaves_the_directory() {
    let bench = Bench::new();
    let mut worker = bench.start().await;
    let workers = bench.workers().await;
    assert_eq!((workers.len(), workers[0].status), (1, WorkerStatus::Idle));
    worker.stop();
    bench.turn().await;
    assert!(worker.has_ended() && bench.workers().await.is_empty());
    assert_eq!(worker.exit().await, Exit::Drained);
}

#[tokio::test]
async fn running_jobs_may_finish_and_no_new_job_starts() {
    let bench = Bench::new();
    let mut worker = bench.start_with(|b| b.concurrency(2)).await;
    bench.enqueue("running", [Do::Gate]).await;
    assert_eq!(bench.workers().await[0].running, 0, "as of the last heartbeat");
    worker.stop();
    bench.turn().await;
    let workers = bench.workers().await;
    assert_eq!((workers[0].status, workers[0].running), (WorkerStatus::Stopping, 1));
    bench.enqueue("new", [Do::Succeed]).await;
    bench.pass(secs(20)).await;
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    assert_eq!(worker.exit().await, Exit::Drained);
    assert_eq!(bench.state("running").await, JobState::Completed);
    assert_eq!((bench.state("new").await, bench.seen.starts("new")), (JobState::Pending, 0));
}

#[tokio::test]
async fn a_job_that_does_not_finish_in_time_is_given_back_unchanged() {
    for heed in [true, false] {
        let bench = Bench::new();
        let mut worker = bench.start().await;
        bench.enqueue("job", [Do::Hang { heed }]).await;
        worker.stop();
        bench.pass(secs(29)).await;
        assert!(!worker.has_ended());
        bench.pass(secs(3)).await;
        assert_eq!(worker.exit().await, Exit::Drained);
        assert_eq!(bench.seen.stopped.load(Ordering::SeqCst), heed);
        let report = bench.report("job").await;
        let job = report.envelope.expect("readable");
        assert_eq!(report.state, JobState::Pending);
        assert_eq!((job.attempt, job.crashes, job.history.len()), (1, 0, 0));
        // At once, not when a lease ends.
        let _second = bench.start().await;
        assert_eq!(bench.seen.starts("job"), 2);
    }
}

#[tokio::test]
async fn jobs_that_wait_for_a_slot_are_given_back_at_once() {
    let bench = Bench::new();
    let mut worker = bench.start_with(|b| b.concurrency(1).queues(["default", "other"])).await;
    for queue in ["default", "other"] {
        let job = bench.client.enqueue(crate::bench::Script(vec![Do::Gate])).id(queue).queue(queue);
        job.await.expect("sent");
    }
    bench.turn().await;
    assert_eq!((bench.seen.total(), bench.state("other").await), (1, JobState::Running));
    worker.stop();
    bench.turn().await;
    assert_eq!(bench.state("other").await, JobState::Pending);
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    assert_eq!(worker.exit().await, Exit::Drained);
}

#[tokio::test]
async fn a_worker_stops_even_while_the_broker_is_away() {
    let bench = Bench::new();
    let (mut worker, faulty) = bench.start_faulty(naq_core::testing::FaultPlan::new()).await;
    bench.enqueue("job", [Do::Succeed, Do::Gate]).await;
    bench.enqueue("running", [Do::Gate]).await;
    faulty.cut();
    worker.stop();
    bench.pass(secs(60)).await;
    assert!(worker.has_ended());
    let _second = bench.start().await;
    bench.pass(secs(10)).await;
    assert_eq!(bench.seen.starts("running"), 2);
}

#[tokio::test]
async fn dropping_the_worker_leaves_only_its_leases() {
    let bench = Bench::new();
    let worker = bench.start().await;
    bench.enqueue("job", [Do::Gate]).await;
    worker.kill().await;
    bench.pass(Duration::from_secs(9)).await;
    assert_eq!(bench.state("job").await, JobState::Running);
    assert_eq!(bench.clock.sleepers(), 0, "no task is left behind");
}

#[tokio::test]
async fn an_operator_drains_one_worker_by_its_id_as_a_signal_does() {
    let bench = Bench::new();
    let (mut one, two) = (bench.start().await, bench.start().await);
    bench.enqueue("running", [Do::Gate]).await;
    bench.pass(secs(6)).await;
    let (busy, idle): (Vec<_>, Vec<_>) =
        bench.workers().await.into_iter().partition(|it| it.running == 1);
    let (busy, idle) = (&busy[0], &idle[0]);
    let told = bench.client.drain_worker(&busy.worker_id).await.expect("it is there");
    assert_eq!(told.worker_id, busy.worker_id);
    bench.turn().await;
    let workers = bench.workers().await;
    let stopping = workers.iter().find(|it| it.worker_id == busy.worker_id).map(|it| it.status);
    assert_eq!(stopping, Some(WorkerStatus::Stopping), "what runs may finish");
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    assert_eq!(bench.state("running").await, JobState::Completed);
    let left = bench.workers().await;
    assert_eq!(left.iter().map(|it| &it.worker_id).collect::<Vec<_>>(), [&idle.worker_id]);
    let (drained, other) = if one.has_ended() { (one, two) } else { (two, one) };
    assert_eq!(drained.exit().await, Exit::Drained);
    one = other;
    assert!(!one.has_ended());
    bench.enqueue("next", [Do::Succeed]).await;
    assert_eq!(bench.state("next").await, JobState::Completed);
}
