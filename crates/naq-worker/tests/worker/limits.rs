//! Limits on jobs of one key, over all workers.

use std::time::Duration;

use naq_core::JobState;
use naq_core::flow::{LimitKeys, Slot};
use naq_core::testing::{DiePoint, FaultPlan, Op};
use naq_core::transport::{Operator, StateStore};

use crate::bench::{Bench, Do, LEASE, Script, secs};

/// How long a limit slot outlives a worker that died.
const SLOT: Duration = Duration::from_secs(3 * LEASE.as_secs());

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

impl Bench {
    /// A job of a key with this concurrency.
    async fn keyed(&self, id: &str, script: impl Into<Vec<Do>>, key: &str, jobs: u32) {
        let job = self.client.enqueue(Script(script.into())).id(id).concurrency_key(key, jobs);
        job.await.expect("sent");
        self.turn().await;
    }

    /// A job of a key with this many starts a second.
    async fn rated(&self, id: &str, script: impl Into<Vec<Do>>, key: &str, count: u32) {
        let job = self.client.enqueue(Script(script.into())).id(id).rate_limit(key, count, secs(1));
        job.await.expect("sent");
        self.turn().await;
    }

    async fn slots_taken(&self, key: &str) -> usize {
        let slots = LimitKeys::new(key).and_then(|keys| keys.slots(0..10)).expect("keys");
        let found = self.broker.state_get(&slots).await.expect("an answer");
        let slot = |value: &[u8]| serde_json::from_slice::<Slot>(value).expect("a slot");
        found.iter().flatten().filter(|entry| slot(&entry.value).holder.is_some()).count()
    }

    async fn in_line(&self, key: &str) -> usize {
        let line = LimitKeys::new(key).and_then(|keys| keys.line()).expect("a key");
        self.broker.state_list(&line, 0, 100).await.expect("an answer").entries.len()
    }

    async fn reason(&self, id: &str) -> String {
        let job = self.report(id).await.envelope.expect("readable");
        job.history.last().and_then(|record| record.reason.clone()).unwrap_or_default()
    }
}

#[tokio::test]
async fn no_more_jobs_of_a_key_run_than_its_limit_and_the_others_wait_without_a_slot() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    for n in 0..5 {
        bench.keyed(&format!("job{n}"), [Do::Gate], "tenant:7", 2).await;
    }
    assert_eq!((bench.seen.total(), bench.slots_taken("tenant:7").await), (2, 2));
    assert_eq!(bench.in_line("tenant:7").await, 3);
    bench.pass(secs(5)).await;
    assert_eq!(bench.workers().await[0].running, 2, "who waits holds no slot of the worker");
    assert_eq!(bench.history("job2").await, ["1:HeldBack:limit"]);
    assert!(bench.reason("job3").await.contains("limit \"tenant:7\": 2 jobs run already, 1 wait"));
    // Another key, and no key at all.
    bench.keyed("other", [Do::Succeed], "tenant:8", 2).await;
    bench.enqueue("free", [Do::Succeed]).await;
    for id in ["other", "free"] {
        assert_eq!(bench.state(id).await, JobState::Completed);
    }
}

#[tokio::test]
async fn a_freed_limit_slot_goes_at_once_to_the_job_that_has_waited_longest() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    for n in 0..6 {
        bench.keyed(&format!("job{n}"), [Do::Gate], "k", 1).await;
    }
    for done in 1..6 {
        bench.seen.gate.notify_waiters();
        bench.turn().await;
        assert_eq!(bench.seen.order().len(), done + 1, "no time had to pass");
    }
    assert_eq!(bench.seen.order(), (0..6).map(|n| format!("job{n}")).collect::<Vec<_>>());
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    for n in 0..6 {
        let job = bench.report(&format!("job{n}")).await.envelope.expect("readable");
        assert_eq!((job.attempt, job.crashes), (1, 0), "it burned nothing");
    }
    assert_eq!((bench.slots_taken("k").await, bench.in_line("k").await), (0, 0));
}

#[tokio::test]
async fn two_workers_share_a_limit() {
    let bench = Bench::new();
    let _one = bench.start_with(|b| b.concurrency(3)).await;
    let _two = bench.start_with(|b| b.concurrency(3)).await;
    for n in 0..9 {
        bench.keyed(&format!("job{n}"), [Do::Gate], "k", 4).await;
    }
    assert_eq!(bench.seen.total(), 4);
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    assert_eq!(bench.seen.total(), 8);
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    assert_eq!(bench.seen.total(), 9);
}

#[tokio::test]
async fn a_job_with_several_keys_holds_a_slot_of_all_or_of_none() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    bench.keyed("a", [Do::Gate], "a", 1).await;
    let both = bench.client.enqueue(Script(vec![Do::Gate])).id("both");
    both.concurrency_key("b", 1).concurrency_key("a", 1).await.expect("sent");
    bench.turn().await;
    // While it waits for a slot of one key, it holds no slot of the other.
    bench.keyed("b", [Do::Succeed], "b", 1).await;
    assert_eq!(bench.state("b").await, JobState::Completed);
    assert_eq!((bench.seen.starts("both"), bench.slots_taken("b").await), (0, 0));
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    assert_eq!((bench.seen.starts("both"), bench.slots_taken("b").await), (1, 1));
}

#[tokio::test]
async fn a_slot_is_renewed_for_as_long_as_its_job_runs() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    bench.keyed("long", [Do::Gate], "k", 1).await;
    bench.keyed("next", [Do::Succeed], "k", 1).await;
    bench.pass(SLOT * 10).await;
    assert_eq!((bench.seen.starts("next"), bench.slots_taken("k").await), (0, 1));
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    assert_eq!(bench.state("next").await, JobState::Completed);
}

#[tokio::test]
async fn a_dead_workers_limit_slot_is_free_when_its_lease_ends_and_its_own_job_has_it_at_once() {
    let bench = Bench::new();
    let worker = bench.start().await;
    bench.keyed("job", [Do::Hang { heed: false }], "k", 1).await;
    worker.kill().await;
    let _next = bench.start().await;
    bench.keyed("other", [Do::Gate], "k", 1).await;
    assert_eq!(bench.seen.starts("other"), 0);
    // Delivered again: the job has its own slot.
    bench.pass(LEASE).await;
    assert_eq!((bench.seen.starts("job"), bench.slots_taken("k").await), (2, 1));
}

#[tokio::test]
async fn the_limit_slot_of_a_purged_job_is_free_when_its_lease_ends() {
    let bench = Bench::new();
    let worker = bench.start().await;
    bench.keyed("gone", [Do::Hang { heed: false }], "k", 1).await;
    worker.kill().await;
    bench.broker.purge(&naq_core::QueueName::default()).await.expect("purged");
    let _next = bench.start().await;
    bench.keyed("job", [Do::Succeed], "k", 1).await;
    bench.pass(SLOT - secs(1)).await;
    assert_eq!(bench.seen.starts("job"), 0);
    bench.pass(SLOT).await;
    assert_eq!(bench.state("job").await, JobState::Completed);
}

#[tokio::test]
async fn a_worker_may_die_between_any_two_steps_and_every_job_runs_in_the_end() {
    for op in [Op::State, Op::Release, Op::Retry, Op::Record, Op::Ack, Op::Other] {
        let mut deaths = 0;
        for nth in 1..=6 {
            for point in [DiePoint::Before(op), DiePoint::After(op)] {
                let bench = Bench::new();
                let (doomed, faulty) =
                    bench.start_faulty(FaultPlan::new().die_at(point, nth)).await;
                for n in 0..4 {
                    bench.keyed(&format!("job{n}"), [Do::Gate], "k", 1).await;
                }
                for _ in 0..4 {
                    bench.seen.gate.notify_waiters();
                    bench.turn().await;
                }
                if faulty.died_at().is_none() {
                    continue;
                }
                doomed.kill().await;
                let _heir = bench.start().await;
                for _ in 0..20 {
                    bench.pass(secs(15)).await;
                    bench.seen.gate.notify_waiters();
                }
                bench.turn().await;
                deaths += 1;
                for n in 0..4 {
                    let state = bench.state(&format!("job{n}")).await;
                    assert_eq!(state, JobState::Completed, "job{n} after {point} {nth}");
                }
                assert_eq!(bench.slots_taken("k").await, 0, "after {point} {nth}");
            }
        }
        assert!(deaths > 2, "{op:?}: {deaths} deaths");
    }
}

#[tokio::test]
async fn a_cancelled_job_leaves_the_wait_list_and_the_next_one_runs() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    for n in 0..4 {
        bench.keyed(&format!("job{n}"), [Do::Gate], "k", 1).await;
    }
    for id in ["job1", "job2"] {
        let key = bench.report(id).await.key;
        bench.client.cancel(&key, "not needed").await.expect("cancelled");
    }
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    assert_eq!(bench.seen.order(), ["job0", "job3"]);
    assert_eq!(bench.in_line("k").await, 0);
}

#[tokio::test]
async fn a_job_whose_deadline_passes_in_the_wait_list_expires_then() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    bench.keyed("long", [Do::Gate], "k", 1).await;
    let late = bench.client.enqueue(Script(vec![Do::Succeed])).id("late");
    let deadline = naq_core::Clock::now(&bench.clock) + secs(5);
    late.concurrency_key("k", 1).deadline(deadline).await.expect("sent");
    bench.turn().await;
    assert_ne!(bench.state("late").await, JobState::Expired);
    bench.pass(secs(6)).await;
    assert_eq!(bench.state("late").await, JobState::Expired);
}

#[tokio::test]
async fn a_retry_passes_the_limit_again_and_its_delay_is_not_cut_short() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    bench.keyed("job", [Do::Fail("Error".into()), Do::Succeed], "k", 1).await;
    assert_eq!((bench.seen.starts("job"), bench.slots_taken("k").await), (1, 0));
    // Other jobs start and end, and none of them releases the job that waits for its retry.
    for n in 0..3 {
        bench.keyed(&format!("other{n}"), [Do::Succeed], "k", 1).await;
    }
    bench.keyed("long", [Do::Gate], "k", 1).await;
    bench.pass(secs(5)).await;
    assert_eq!((bench.seen.starts("job"), bench.in_line("k").await), (1, 1));
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    assert_eq!(bench.state("job").await, JobState::Completed);
}

#[tokio::test]
async fn a_rate_spaces_starts_and_each_job_waits_for_its_own_time() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    for n in 0..6 {
        bench.rated(&format!("job{n}"), [Do::Succeed], "api", 4).await;
    }
    assert_eq!(bench.seen.total(), 1);
    assert_eq!(bench.history("job2").await, ["1:HeldBack:limit"]);
    assert!(bench.reason("job2").await.contains("limit \"api\": its start time is"));
    for n in 1..6 {
        bench.pass(ms(249)).await;
        assert_eq!(bench.seen.total(), n);
        bench.pass(ms(1)).await;
        assert_eq!(bench.seen.total(), n + 1);
    }
    let order: Vec<_> = (0..6).map(|n| format!("job{n}")).collect();
    assert_eq!(bench.seen.order(), order);
}

#[tokio::test]
async fn a_retry_counts_as_a_start_and_a_release_does_not_change_a_start_time() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    bench.rated("job", [Do::RetryAfter(0), Do::Succeed], "api", 1).await;
    bench.turn().await;
    assert_eq!(bench.seen.starts("job"), 1);
    let key = bench.report("job").await.key;
    bench.client.retry_now(&key).await.expect("due now");
    bench.turn().await;
    assert_eq!(bench.seen.starts("job"), 1, "its start time has not changed");
    bench.pass(secs(1)).await;
    assert_eq!(bench.state("job").await, JobState::Completed);
}

#[tokio::test]
async fn a_job_that_misses_its_start_time_asks_for_another() {
    let bench = Bench::new();
    let mut worker = bench.start().await;
    for n in 0..3 {
        bench.rated(&format!("job{n}"), [Do::Succeed], "api", 1).await;
    }
    worker.stop();
    bench.pass(secs(30)).await;
    let _late = bench.start().await;
    bench.turn().await;
    assert_eq!(bench.seen.total(), 2, "they do not start together");
    bench.pass(secs(1)).await;
    assert_eq!(bench.seen.total(), 3);
}

#[tokio::test]
async fn no_start_time_after_the_deadline_is_given() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    bench.rated("first", [Do::Succeed], "api", 1).await;
    let late = bench.client.enqueue(Script(vec![Do::Succeed])).id("late");
    let deadline = naq_core::Clock::now(&bench.clock) + ms(500);
    late.rate_limit("api", 1, secs(1)).deadline(deadline).await.expect("sent");
    bench.turn().await;
    assert_eq!(bench.state("late").await, JobState::Expired);
    bench.rated("next", [Do::Succeed], "api", 1).await;
    bench.pass(secs(1)).await;
    assert_eq!(bench.state("next").await, JobState::Completed);
}

#[tokio::test]
async fn a_job_that_waits_for_its_rate_holds_no_limit_slot() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    let both = |id| {
        let job = bench.client.enqueue(Script(vec![Do::Succeed])).id(id);
        job.concurrency_key("k", 1).rate_limit("api", 1, secs(10))
    };
    both("first").await.expect("sent");
    both("second").await.expect("sent");
    bench.turn().await;
    assert_eq!((bench.seen.total(), bench.slots_taken("k").await), (1, 0));
    bench.keyed("other", [Do::Succeed], "k", 1).await;
    assert_eq!(bench.state("other").await, JobState::Completed);
    bench.pass(secs(10)).await;
    assert_eq!(bench.state("second").await, JobState::Completed);
}

#[tokio::test]
async fn a_limit_slot_goes_to_the_next_job_when_the_released_one_ends_before_it_starts() {
    let bench = Bench::new();
    let _worker = bench.start_with(|b| b.concurrency(2)).await;
    bench.keyed("first", [Do::Gate], "k", 1).await;
    let late = bench.client.enqueue(Script(vec![Do::Succeed])).id("late");
    let deadline = naq_core::Clock::now(&bench.clock) + secs(5);
    late.concurrency_key("k", 1).deadline(deadline).await.expect("sent");
    bench.turn().await;
    bench.keyed("next", [Do::Succeed], "k", 1).await;
    assert_eq!(bench.in_line("k").await, 2);
    // Other jobs run before the released one, until its deadline has passed.
    for n in 0..3 {
        bench.enqueue(&format!("other{n}"), [Do::Gate]).await;
    }
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    assert_eq!((bench.in_line("k").await, bench.state("late").await), (1, JobState::Pending));
    bench.pass(secs(6)).await;
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    assert_eq!(bench.state("late").await, JobState::Expired);
    assert_eq!(bench.state("next").await, JobState::Completed, "no time had to pass");
}
