//! Several queues share the slots.

use naq_core::JobState;

use crate::bench::{Bench, Do, LEASE, Script, secs};

#[tokio::test]
async fn a_busy_queue_does_not_starve_another() {
    let bench = Bench::new();
    for n in 0..500 {
        let job = bench.client.enqueue(Script(vec![Do::Fatal])).id(format!("busy{n}"));
        job.queue("busy").await.expect("sent");
    }
    for n in 0..5 {
        let job = bench.client.enqueue(Script(vec![Do::Succeed])).id(format!("quiet{n}"));
        job.queue("quiet").await.expect("sent");
    }
    let _worker = bench.start_with(|b| b.concurrency(1).queues(["busy", "quiet"])).await;
    while bench.seen.total() < 505 {
        bench.pass(std::time::Duration::from_millis(1)).await;
    }
    let order = bench.seen.order();
    let last_quiet = order.iter().rposition(|id| id.starts_with("quiet")).expect("they ran");
    assert!(last_quiet < 50, "the quiet queue had to wait for {last_quiet} jobs");
}

#[tokio::test]
async fn more_queues_than_slots_all_get_their_turn() {
    let bench = Bench::new();
    let names: Vec<String> = (0..8).map(|n| format!("q{n}")).collect();
    let _worker = bench.start_with(|b| b.concurrency(2).queues(&names)).await;
    for round in 0..3 {
        for name in &names {
            let id = format!("{name}-{round}");
            let job = bench.client.enqueue(Script(vec![Do::Succeed])).id(&id).queue(name);
            job.await.expect("sent");
        }
        bench.pass(secs(1)).await;
        for name in &names {
            assert_eq!(bench.state(&format!("{name}-{round}")).await, JobState::Completed);
        }
    }
}

#[tokio::test]
async fn a_delivery_that_arrives_while_all_slots_are_in_use_is_held_and_given_back_unchanged() {
    let bench = Bench::new();
    let job = |queue: &'static str, id: &str, script| {
        bench.client.enqueue(Script(vec![script])).id(id).queue(queue)
    };
    let _busy = bench.start_with(|b| b.concurrency(2).queues(["a", "b"])).await;
    for id in ["b1", "b2"] {
        job("b", id, Do::Hang { heed: false }).await.expect("sent");
    }
    bench.turn().await;
    // Queue a was asked for two jobs while there was room. The second comes after the fetch is over.
    for id in ["a1", "a2"] {
        job("a", id, Do::Succeed).await.expect("sent");
        bench.turn().await;
        assert_eq!((bench.seen.total(), bench.state(id).await), (2, JobState::Running));
    }
    bench.pass(LEASE + secs(4)).await;
    for id in ["a1", "a2"] {
        assert_eq!((bench.seen.total(), bench.state(id).await), (2, JobState::Pending));
    }
    let _free = bench.start_with(|b| b.queue("a")).await;
    for id in ["a1", "a2"] {
        let report = bench.report(id).await;
        let (state, job) = (report.state, report.envelope.expect("readable"));
        assert_eq!((state, job.crashes, bench.seen.starts(id)), (JobState::Completed, 0, 1));
    }
}

#[tokio::test]
async fn no_more_jobs_run_at_once_than_there_are_slots() {
    let bench = Bench::new();
    let _worker = bench.start_with(|b| b.concurrency(3)).await;
    for n in 0..10 {
        bench.enqueue(&format!("job{n}"), [Do::Gate]).await;
    }
    assert_eq!(bench.seen.total(), 3);
    for round in 1..=3 {
        bench.seen.gate.notify_waiters();
        bench.turn().await;
        assert_eq!(bench.seen.total(), (3 + 3 * round).min(10));
    }
}
