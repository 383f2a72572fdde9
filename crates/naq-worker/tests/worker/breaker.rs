//! Circuit breakers: which jobs wait, until when, and what it costs.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq_core::flow::breaker::BreakerConfig;
use naq_core::testing::{Fault, FaultPlan, FaultyTransport, Op};
use naq_core::{Clock, ErrorKind, Failure, Job, JobState, Timestamp};
use naq_worker::{Context, Registry, TaskOptions, WorkerBuilder};
use serde::{Deserialize, Serialize};

use crate::bench::{Bench, LEASE, Running, run, secs};

/// A service that is up or down.
#[derive(Debug, Default)]
struct Service {
    down: AtomicBool,
    /// Each nth call fails although the service is up; 0 for none.
    fails_every: AtomicU32,
    /// Milliseconds that a call takes.
    slow: AtomicU32,
    at_once: AtomicU32,
    most_at_once: AtomicU32,
    calls: Mutex<Vec<Timestamp>>,
}

impl Service {
    fn calls(&self) -> usize {
        self.calls.lock().expect("not poisoned").len()
    }

    fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }
}

/// Calls the service.
#[derive(Serialize, Deserialize)]
struct Charge;

impl Job for Charge {
    const NAME: &'static str = "charge";
    type Output = ();
}

type State = (Arc<Service>, Arc<dyn naq_core::Timer>);

async fn charge(_: Charge, cx: Context<State>) -> Result<(), Failure> {
    let (service, timer) = cx.state().clone();
    let nth = {
        let mut calls = service.calls.lock().expect("not poisoned");
        calls.push(timer.now());
        calls.len()
    };
    let every = service.fails_every.load(Ordering::SeqCst) as usize;
    let unlucky = every > 0 && nth.is_multiple_of(every);
    let at_once = service.at_once.fetch_add(1, Ordering::SeqCst) + 1;
    service.most_at_once.fetch_max(at_once, Ordering::SeqCst);
    let slow = service.slow.load(Ordering::SeqCst);
    timer.sleep_until(timer.now() + Duration::from_millis(slow.into())).await;
    service.at_once.fetch_sub(1, Ordering::SeqCst);
    match unlucky || service.down.load(Ordering::SeqCst) {
        true => Err(Failure::new(ErrorKind::CONNECTION, "refused")),
        false => Ok(()),
    }
}

/// Opens at 3 failures for 10 s; closes after 2 probes, without a recovery phase.
fn config() -> BreakerConfig {
    BreakerConfig::new().failures(3).open_for(secs(10)).successes(2).recovery(Duration::ZERO)
}

struct Shop {
    bench: Bench,
    service: Arc<Service>,
}

impl Shop {
    fn new() -> Self {
        Self { bench: Bench::new(), service: Arc::default() }
    }

    fn registry(&self) -> Registry<State> {
        Registry::with_state((self.service.clone(), Arc::new(self.bench.clock.clone())))
    }

    fn with_breaker(&self, config: BreakerConfig) -> Registry<State> {
        self.registry()
            .breaker("bank", config)
            .task_with(charge, TaskOptions::new().breaker("bank"))
    }

    fn builder(&self, registry: Registry<State>) -> WorkerBuilder {
        self.bench.builder_of(Arc::new(self.bench.broker.clone()), registry)
    }

    async fn worker(&self, config: BreakerConfig) -> Running {
        let worker = run(self.builder(self.with_breaker(config)));
        self.bench.turn().await;
        worker
    }

    /// Enqueues this many jobs, with retries a minute apart.
    async fn enqueue(&self, jobs: std::ops::Range<usize>) {
        for n in jobs {
            let job = self.bench.client.enqueue(Charge).id(format!("job{n}"));
            job.max_retries(1).retry_delay(secs(60)).await.expect("enqueued");
        }
        self.bench.turn().await;
    }

    async fn phase(&self, key: &str) -> String {
        let entry = self.bench.client.breaker(key).await.expect("a breaker");
        entry.now(self.bench.clock.now()).phase.to_string()
    }
}

#[tokio::test]
async fn jobs_of_an_open_breaker_wait_with_their_attempts_untouched() {
    let shop = Shop::new();
    shop.service.set_down(true);
    let _worker = run(shop.builder(shop.with_breaker(config())).concurrency(1));
    shop.enqueue(0..10).await;
    assert_eq!((shop.service.calls(), shop.phase("bank").await.as_str()), (3, "open"));
    let held = shop.bench.report("job9").await;
    assert_eq!(held.state, JobState::Scheduled);
    assert_eq!(held.envelope.expect("readable").attempt, 1);
    assert_eq!(shop.bench.history("job9").await, ["1:HeldBack:breaker"]);

    // A probe finds the service still down: the breaker is open for twice as long.
    shop.bench.pass(secs(10)).await;
    assert_eq!(shop.service.calls(), 4);
    shop.bench.pass(secs(19)).await;
    assert_eq!(shop.service.calls(), 4);

    shop.service.set_down(false);
    shop.bench.pass(secs(4)).await;
    assert_eq!(shop.phase("bank").await, "closed");
    for n in 4..10 {
        let job = format!("job{n}");
        assert_eq!(shop.bench.state(&job).await, JobState::Completed);
        let history = shop.bench.history(&job).await;
        assert_eq!(
            history.last().map(String::as_str),
            Some("1:Completed:succeeded"),
            "{history:?}"
        );
    }
    // The failed jobs have used an attempt, and wait for their delay.
    shop.bench.pass(secs(60)).await;
    for n in 0..3 {
        let history = shop.bench.history(&format!("job{n}")).await;
        assert_eq!(history, ["1:Failed:strategy", "2:Completed:succeeded"]);
    }
}

#[tokio::test]
async fn failures_of_several_workers_add_up_and_all_of_them_stop() {
    let shop = Shop::new();
    shop.service.set_down(true);
    let mut workers = Vec::new();
    for _ in 0..4 {
        workers.push(shop.worker(config().failures(4)).await);
        shop.enqueue(workers.len()..workers.len() + 1).await;
    }
    shop.bench.pass(secs(1)).await;
    assert_eq!((shop.service.calls(), shop.phase("bank").await.as_str()), (4, "open"));
    shop.enqueue(10..30).await;
    assert_eq!(shop.service.calls(), 4);
}

#[tokio::test]
async fn probes_are_bounded_over_all_workers() {
    let shop = Shop::new();
    shop.service.set_down(true);
    let config = config().probes(2).successes(1_000);
    let _workers = (shop.worker(config.clone()).await, shop.worker(config).await);
    shop.enqueue(0..60).await;
    shop.service.set_down(false);
    shop.service.slow.store(700, Ordering::SeqCst);
    shop.service.most_at_once.store(0, Ordering::SeqCst);
    for _ in 0..30 {
        shop.bench.pass(secs(1)).await;
        assert!(shop.service.most_at_once.load(Ordering::SeqCst) <= 2);
    }
    assert_eq!(shop.service.most_at_once.load(Ordering::SeqCst), 2);
    assert_eq!(shop.phase("bank").await, "half_open");
}

#[tokio::test]
async fn a_probe_that_takes_longer_than_a_lease_stays_the_only_one() {
    let shop = Shop::new();
    shop.service.set_down(true);
    let config = config().successes(1);
    let _workers = (shop.worker(config.clone()).await, shop.worker(config).await);
    shop.enqueue(0..10).await;
    let before = shop.service.calls();
    shop.service.slow.store(60_000, Ordering::SeqCst);
    shop.bench.pass(secs(10) + LEASE * 4).await;
    assert_eq!(shop.service.calls(), before + 1);
    shop.service.set_down(false);
    shop.service.slow.store(0, Ordering::SeqCst);
    shop.bench.pass(secs(200)).await;
    assert_eq!((shop.phase("bank").await.as_str(), shop.bench.left().await), ("closed", 0));
}

#[tokio::test]
async fn a_probe_whose_worker_dies_is_free_after_a_lease() {
    let shop = Shop::new();
    shop.service.set_down(true);
    let first = shop.worker(config()).await;
    shop.enqueue(0..5).await;
    shop.service.slow.store(60_000, Ordering::SeqCst);
    shop.bench.pass(secs(10)).await;
    let probed = shop.service.calls();
    assert_eq!(shop.phase("bank").await, "half_open");
    first.kill().await;
    shop.service.set_down(false);
    shop.service.slow.store(0, Ordering::SeqCst);
    let _second = shop.worker(config()).await;
    shop.bench.pass(LEASE / 2).await;
    assert_eq!(shop.service.calls(), probed, "its probe may run still");
    shop.bench.pass(LEASE * 8).await;
    assert_eq!((shop.phase("bank").await.as_str(), shop.bench.left().await), ("closed", 0));
}

#[tokio::test]
async fn a_share_of_the_jobs_runs_while_it_recovers_and_the_rest_comes_back_spread() {
    let shop = Shop::new();
    shop.service.set_down(true);
    let config = config().successes(1).recovery(secs(100));
    let _worker = shop.worker(config).await;
    shop.enqueue(0..400).await;
    shop.service.set_down(false);
    shop.service.calls.lock().expect("not poisoned").clear();
    shop.bench.pass(secs(320)).await;
    assert_eq!(shop.bench.left().await, 0);
    let calls = shop.service.calls.lock().expect("not poisoned").clone();
    // One probe, then a growing share of the jobs; the other jobs come again.
    let start = calls[1];
    let within = |from: u64, to: u64| {
        let fits = |at: &&Timestamp| at.since(start) >= secs(from) && at.since(start) < secs(to);
        calls.iter().filter(fits).count()
    };
    let (first, second) = (within(0, 33), within(33, 66));
    assert!(first > 0 && second > first * 3 / 2, "{first} then {second}");
    assert!(calls[1..].windows(2).filter(|two| two[0] == two[1]).count() < 40, "all at once");
}

#[tokio::test]
async fn a_breaker_with_the_name_of_a_task_is_for_that_task() {
    let shop = Shop::new();
    shop.service.set_down(true);
    let registry = shop.registry().breaker("charge", config()).task(charge);
    let _worker = run(shop.builder(registry).concurrency(1));
    shop.enqueue(0..5).await;
    assert_eq!((shop.service.calls(), shop.phase("charge").await.as_str()), (3, "open"));
}

#[tokio::test]
async fn a_task_without_a_breaker_stops_while_an_operator_holds_one_open_for_it() {
    let shop = Shop::new();
    let _worker = run(shop.builder(shop.registry().task(charge)));
    shop.bench.turn().await;
    let client = &shop.bench.client;
    client.open_breaker("charge", None, "the books are wrong").await.expect("opened");
    shop.bench.turn().await;
    shop.enqueue(0..3).await;
    shop.bench.pass(secs(600)).await;
    assert_eq!(shop.service.calls(), 0);
    let history = shop.bench.report("job0").await.envelope.expect("readable").history;
    let why = history.last().and_then(|r| r.reason.clone()).expect("a reason");
    assert!(why.contains("breaker charge was opened by hand: the books are wrong"), "{why}");

    client.close_breaker("charge", Duration::ZERO).await.expect("closed");
    shop.bench.pass(secs(300)).await;
    assert_eq!((shop.service.calls(), shop.bench.left().await), (3, 0));
}

#[tokio::test]
async fn a_breaker_opened_by_hand_adds_to_the_breaker_that_the_task_runs_under() {
    let shop = Shop::new();
    let _worker = shop.worker(config()).await;
    let client = &shop.bench.client;
    client.open_breaker("charge", Some(secs(30)), "").await.expect("opened");
    shop.bench.turn().await;
    shop.enqueue(0..3).await;
    assert_eq!(shop.service.calls(), 0);
    assert!(client.reset_breaker("charge").await.expect("reset"));
    assert!(!client.reset_breaker("charge").await.expect("reset"));
    shop.bench.turn().await;
    shop.enqueue(3..6).await;
    assert_eq!(shop.service.calls(), 3);
    shop.bench.pass(secs(60)).await;
    assert_eq!(shop.service.calls(), 6);
}

#[tokio::test]
async fn a_worker_that_starts_later_knows_the_open_breakers_before_its_first_job() {
    let shop = Shop::new();
    shop.bench.client.open_breaker("charge", None, "").await.expect("opened");
    shop.enqueue(0..3).await;
    let _worker = run(shop.builder(shop.registry().task(charge)));
    shop.bench.pass(secs(5)).await;
    assert_eq!(shop.service.calls(), 0);
}

#[tokio::test]
async fn a_ratio_is_of_the_calls_of_all_workers() {
    let shop = Shop::new();
    let config = config().any_number_of_failures().failure_ratio(0.5, 20);
    // One slot each, so that both workers get jobs.
    let worker = || run(shop.builder(shop.with_breaker(config.clone())).concurrency(1));
    let _workers = (worker(), worker());
    shop.bench.turn().await;
    shop.service.fails_every.store(3, Ordering::SeqCst);
    for n in 0..40 {
        shop.enqueue(n * 5..n * 5 + 5).await;
        shop.bench.pass(Duration::from_millis(250)).await;
    }
    assert_eq!((shop.service.calls(), shop.phase("bank").await.as_str()), (200, "closed"));
    let counted = shop.bench.client.breaker("bank").await.expect("a breaker").state;
    let naq_core::flow::breaker::Phase::Closed { window } = counted.phase else { panic!("open") };
    let (calls, failures) = (window.calls(), window.failures());
    assert!(calls >= 190 && (60..=66).contains(&failures), "{failures} of {calls}");

    shop.service.set_down(true);
    for n in 40..120 {
        shop.enqueue(n * 5..n * 5 + 5).await;
        shop.bench.pass(Duration::from_millis(250)).await;
    }
    assert_eq!(shop.phase("bank").await, "open");
    assert!(shop.service.calls() < 330, "{} calls", shop.service.calls());
}

#[tokio::test]
async fn nothing_is_written_while_all_calls_succeed() {
    let shop = Shop::new();
    let plan = FaultPlan::new();
    let faulty = Arc::new(FaultyTransport::new(shop.bench.broker.clone(), plan));
    let config = config().failure_ratio(0.5, 10);
    let _worker = run(shop.bench.builder_of(faulty.clone(), shop.with_breaker(config)));
    shop.bench.turn().await;
    shop.enqueue(0..200).await;
    shop.bench.pass(secs(60)).await;
    assert_eq!((shop.service.calls(), faulty.calls(Op::State)), (200, 0));
}

#[tokio::test]
async fn counts_that_could_not_be_sent_are_sent_later() {
    let shop = Shop::new();
    shop.service.set_down(true);
    let plan = FaultPlan::new().on(Op::State, 1, 4, Fault::Unreachable);
    let faulty = Arc::new(FaultyTransport::new(shop.bench.broker.clone(), plan));
    let _worker = run(shop.bench.builder_of(faulty.clone(), shop.with_breaker(config())));
    shop.bench.turn().await;
    shop.enqueue(0..1).await;
    shop.enqueue(1..2).await;
    shop.enqueue(2..3).await;
    // The worker knows without a request.
    shop.enqueue(3..8).await;
    assert_eq!(shop.service.calls(), 3);
    assert_eq!(shop.phase("bank").await, "closed");
    shop.bench.pass(secs(5)).await;
    assert_eq!((shop.service.calls(), shop.phase("bank").await.as_str()), (3, "open"));
}

#[test]
#[should_panic(expected = "runs under breaker \"bnak\"")]
fn a_breaker_that_is_not_registered_is_found_at_the_start() {
    let shop = Shop::new();
    let options = TaskOptions::new().breaker("bnak");
    let _ = shop.builder(shop.registry().breaker("bank", config()).task_with(charge, options));
}

#[tokio::test]
async fn a_job_that_waits_for_a_breaker_expires_in_time() {
    let shop = Shop::new();
    shop.service.set_down(true);
    let _worker = shop.worker(config()).await;
    shop.enqueue(0..3).await;
    let job = shop.bench.client.enqueue(Charge).id("late").expires_in(secs(2));
    job.await.expect("enqueued");
    shop.bench.turn().await;
    assert_eq!(shop.bench.history("late").await, ["1:HeldBack:breaker"]);
    shop.bench.pass(secs(2) + Duration::from_millis(1)).await;
    assert_eq!(shop.bench.state("late").await, JobState::Expired);
}
