//! Weights and strict priority of the queues of one worker, and limits of a queue.

use std::sync::Arc;
use std::time::Duration;

use naq_core::{JobState, QueueName};

use crate::bench::{Bench, Do, Script, run, secs};
use crate::open_queues::faulty_queues;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

impl Bench {
    async fn send(&self, queue: &str, id: &str, script: Do) {
        let job = self.client.enqueue(Script(vec![script])).id(id).queue(queue);
        job.await.expect("sent");
    }

    async fn fill(&self, queue: &str, jobs: usize) {
        for n in 0..jobs {
            self.send(queue, &format!("{queue}-{n}"), Do::Succeed).await;
        }
    }

    /// The number of started jobs of this queue.
    fn started(&self, queue: &str) -> usize {
        self.seen.order().iter().filter(|id| id.starts_with(queue)).count()
    }

    async fn until_started(&self, jobs: usize) {
        while self.seen.total() < jobs {
            self.pass(ms(1)).await;
        }
    }
}

#[tokio::test]
async fn under_load_queues_get_slots_by_their_weights() {
    let bench = Bench::new();
    for queue in ["critical", "default", "low"] {
        bench.fill(queue, 400).await;
    }
    let worker = |b: naq_worker::WorkerBuilder| {
        b.queue_weighted("critical", 6).queue_weighted("default", 3).queue("low").concurrency(2)
    };
    let _worker = bench.start_with(worker).await;
    bench.until_started(400).await;
    let order: Vec<_> = bench.seen.order().into_iter().take(400).collect();
    let of = |queue: &str| order.iter().filter(|id| id.starts_with(queue)).count();
    for (queue, expected) in [("critical", 240), ("default", 120), ("low", 40)] {
        assert!(of(queue).abs_diff(expected) < 30, "{queue}: {} of 400", of(queue));
    }
    // When the other queues are empty, the last queue gets every slot.
    bench.until_started(1200).await;
}

#[tokio::test]
async fn with_strict_priority_the_first_queue_that_has_a_job_is_next() {
    let bench = Bench::new();
    bench.fill("low", 50).await;
    bench.fill("high", 50).await;
    let _worker =
        bench.start_with(|b| b.queues(["high", "low"]).strict_priority().concurrency(2)).await;
    bench.until_started(60).await;
    let order = bench.seen.order();
    assert!(order[..50].iter().all(|id| id.starts_with("high")), "{order:?}");
}

#[tokio::test]
async fn with_strict_priority_a_queue_that_answers_late_is_not_taken_for_an_empty_one() {
    let bench = Bench::new();
    bench.fill("low", 5).await;
    bench.fill("slow", 5).await;
    let worker = bench.builder(Arc::new(faulty_queues(&bench)));
    let _worker = run(worker.queues(["slow", "low"]).strict_priority().concurrency(2));
    bench.until_started(10).await;
    let order = bench.seen.order();
    assert!(order[..5].iter().all(|id| id.starts_with("slow")), "{order:?}");
}

#[tokio::test]
async fn with_strict_priority_a_job_that_comes_while_lower_ones_run_is_the_next() {
    let bench = Bench::new();
    let worker = |b: naq_worker::WorkerBuilder| b.queues(["high", "low"]).strict_priority();
    let _worker = bench.start_with(|b| worker(b).concurrency(2)).await;
    for n in 0..6 {
        bench.send("low", &format!("low{n}"), Do::Gate).await;
    }
    bench.pass(ms(50)).await;
    assert_eq!(bench.started("low"), 2);
    bench.send("high", "high", Do::Succeed).await;
    bench.seen.gate.notify_waiters();
    bench.pass(ms(50)).await;
    assert_eq!(bench.seen.order()[2], "high", "{:?}", bench.seen.order());
    assert_eq!(bench.started("low"), 4, "the slots are used");
}

#[tokio::test]
async fn when_idle_no_queue_has_to_wait_for_another() {
    let bench = Bench::new();
    let _worker = bench.start_with(|b| b.queues(["a", "b", "c"]).strict_priority()).await;
    bench.pass(secs(1)).await;
    for id in ["one", "two", "three"] {
        bench.send("c", id, Do::Succeed).await;
        bench.turn().await;
        assert_eq!(bench.seen.starts(id), 1, "no time had to pass");
    }
}

#[tokio::test]
async fn a_queue_that_does_not_answer_keeps_no_other_queue_from_its_slots() {
    let bench = Bench::new();
    let _worker = bench.start_with(|b| b.queues(["high", "low"]).strict_priority()).await;
    let until = naq_core::Clock::now(&bench.clock) + secs(3600);
    let high = QueueName::new("high").expect("a name");
    bench.client.transport().pause(&high, until).await.expect("paused");
    bench.fill("high", 3).await;
    bench.fill("low", 3).await;
    bench.pass(secs(1)).await;
    assert_eq!((bench.started("high"), bench.started("low")), (0, 3));
}

#[tokio::test]
async fn a_limit_of_a_queue_holds_for_all_workers_together_and_is_used_in_full() {
    let bench = Bench::new();
    let default = QueueName::default();
    let _one = bench.start_with(|b| b.concurrency(4)).await;
    let _two = bench.start_with(|b| b.concurrency(4)).await;
    bench.client.set_queue_limit(&default, Some(3)).await.expect("limited");
    for n in 0..12 {
        bench.enqueue(&format!("job{n}"), [Do::Gate]).await;
    }
    assert_eq!(bench.seen.total(), 3);
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    assert_eq!(bench.seen.total(), 6);
    bench.client.set_queue_limit(&default, Some(5)).await.expect("limited");
    bench.turn().await;
    assert_eq!(bench.seen.total(), 8, "a change is in force at once");
    bench.client.set_queue_limit(&default, None).await.expect("not limited");
    bench.turn().await;
    assert_eq!(bench.seen.total(), 11, "as many as there are slots");
    assert!(bench.client.set_queue_limit(&default, Some(0)).await.is_err());
}

#[tokio::test]
async fn jobs_that_wait_for_a_slot_do_not_starve_a_limited_queue() {
    let bench = Bench::new();
    let limited = QueueName::new("limited").expect("a name");
    let _busy = bench.start_with(|b| b.concurrency(1).queues(["limited", "other"])).await;
    bench.client.set_queue_limit(&limited, Some(1)).await.expect("limited");
    bench.send("other", "long", Do::Gate).await;
    bench.turn().await;
    // It was asked for before the slot was taken, so it arrives here, where it cannot run.
    bench.send("limited", "job", Do::Succeed).await;
    bench.turn().await;
    assert_eq!(bench.report("job").await.state, JobState::Running);
    let _free = bench.start_with(|b| b.queue("limited")).await;
    bench.pass(secs(7)).await;
    let report = bench.report("job").await;
    assert_eq!((report.state, bench.seen.starts("job")), (JobState::Completed, 1));
    assert_eq!(report.envelope.expect("readable").crashes, 0);
}
