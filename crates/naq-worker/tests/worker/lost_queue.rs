//! A queue is removed and made again while workers run its jobs: its sequences come again.

use naq_core::{JobState, QueueName};

use crate::bench::{Bench, Do, LEASE, secs};

#[tokio::test]
async fn a_new_job_with_the_sequence_of_a_held_one_runs() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    bench.enqueue("old", [Do::Gate]).await;
    bench.broker.recreate_queue(&QueueName::default());
    bench.enqueue("new", [Do::Succeed]).await;
    assert_eq!((bench.seen.starts("new"), bench.state("new").await), (1, JobState::Completed));
    bench.seen.gate.notify_one();
    bench.turn().await;
    assert_eq!((bench.seen.starts("old"), bench.state("old").await), (1, JobState::Completed));
}

#[tokio::test]
async fn a_new_job_of_the_same_id_runs_beside_the_one_that_the_broker_lost() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    bench.enqueue("job", [Do::Gate]).await;
    bench.broker.recreate_queue(&QueueName::default());
    bench.enqueue("job", [Do::Gate]).await;
    assert_eq!(bench.seen.starts("job"), 2);
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    assert_eq!((bench.state("job").await, bench.left().await), (JobState::Completed, 0));
}

#[tokio::test]
async fn the_end_of_a_lost_job_leaves_the_new_job_with_its_sequence() {
    let bench = Bench::new();
    let _first = bench.start_with(|b| b.concurrency(1)).await;
    bench.enqueue("old", [Do::Gate]).await;
    bench.broker.recreate_queue(&QueueName::default());
    let _second = bench.start_with(|b| b.concurrency(1)).await;
    bench.enqueue("new", [Do::Gate, Do::Succeed]).await;
    assert_eq!(bench.seen.starts("new"), 1);
    // The first that waits goes on.
    bench.seen.gate.notify_one();
    bench.turn().await;
    assert_eq!((bench.state("old").await, bench.left().await), (JobState::Completed, 1));
    bench.pass(LEASE * 3).await;
    bench.seen.gate.notify_one();
    bench.turn().await;
    assert_eq!((bench.seen.starts("new"), bench.state("new").await), (1, JobState::Completed));
    assert_eq!(bench.left().await, 0);
}

#[tokio::test]
async fn rounds_in_which_a_lost_job_was_forgotten_do_not_count_for_a_new_one() {
    let bench = Bench::new();
    let queue = QueueName::default();
    let dead = bench.start_with(|b| b.concurrency(1)).await;
    bench.enqueue("old", [Do::Hang { heed: false }]).await;
    let _watches = bench.start_with(|b| b.concurrency(1)).await;
    bench.enqueue("other", [Do::Hang { heed: false }]).await;
    bench.broker.forget_running(&queue);
    dead.kill().await;
    // Two of its rounds have found the old job.
    bench.pass(LEASE * 2 + secs(1)).await;
    bench.broker.recreate_queue(&queue);
    bench.enqueue("new", [Do::Gate]).await;
    let _runs = bench.start().await;
    assert_eq!(bench.seen.starts("new"), 1);
    bench.broker.forget_running(&queue);
    bench.pass(LEASE * 4).await;
    assert_eq!((bench.seen.starts("new"), bench.state("new").await), (1, JobState::Running));
}
