//! One breaker for several worker processes.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::Duration;

use naq_core::flow::breaker::Phase;
use naq_core::retry::Rule;
use naq_faults::caller::{BreakerJob, LEASE};
use naq_faults::ledger::now;
use naq_testing::{ChildProcess, eventually};

use crate::service::{ServiceState, most_at_once};
use crate::setup::{TIME_LIMIT, TestSetup, wait};

/// The settings in `caller::breaker`.
const FAILURES: usize = 8;
const PROBES: usize = 2;

impl TestSetup {
    async fn phase(&self) -> Phase {
        self.client.breaker(&self.breaker).await.unwrap().state.phase
    }

    /// The index of the worker that runs a call now.
    fn prober(&self, workers: &[(String, ChildProcess)]) -> Option<usize> {
        let call = self.service.running().into_iter().next()?;
        workers.iter().position(|(name, _)| *name == call.worker)
    }
}

/// When the test took each step, in milliseconds since the Unix epoch.
struct Timeline {
    down: u64,
    silent: u64,
    up: u64,
    /// The start and the end of the recovery.
    recovery: (u64, u64),
    killed: Vec<String>,
}

/// Runs the scenario until all jobs have ended. Sets `done` when no more jobs are needed.
async fn run_scenario(setup: &TestSetup, done: &Cell<bool>) -> Timeline {
    let mut workers = Vec::new();
    for n in 0..4 {
        let name = format!("w{n}");
        workers.push((name.clone(), setup.worker(&name).await));
    }
    let mut killed = Vec::new();
    let kill = async |n: usize, workers: &mut Vec<(String, ChildProcess)>| {
        let (name, mut child) = workers.swap_remove(n);
        child.kill().unwrap();
        name
    };
    wait(Duration::from_millis(1_000)).await;

    let down = now();
    setup.service.set(ServiceState::Down);
    wait(Duration::from_millis(3_500)).await;
    killed.push(kill(0, &mut workers).await);
    workers.push(("late".to_owned(), setup.worker("late").await));

    // A probe that hangs may take longer than a lease. A probe whose worker dies is replaced.
    let silent = now();
    setup.service.set(ServiceState::Silent);
    eventually("all probes hang", TIME_LIMIT, async || setup.service.running().len() == PROBES)
        .await;
    wait(LEASE + Duration::from_millis(500)).await;
    let prober = setup.prober(&workers).expect("a worker that runs a probe");
    killed.push(kill(prober, &mut workers).await);
    eventually("another probe", LEASE * 4, async || setup.service.running().len() == PROBES).await;

    let up = now();
    setup.service.set(ServiceState::Up);
    let recovery = eventually("the recovery", TIME_LIMIT, async || match setup.phase().await {
        Phase::Recovering { since, until, .. } => Ok((since.as_millis(), until.as_millis())),
        phase => Err(format!("{phase:?}")),
    })
    .await;
    eventually("the breaker to close", TIME_LIMIT, async || now() > recovery.1).await;
    done.set(true);
    wait(Duration::from_millis(200)).await;
    setup.wait_until_empty().await;
    Timeline { down, silent, up, recovery, killed }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_workers_share_one_breaker_while_a_service_goes_down_and_recovers() {
    let setup = TestSetup::new("breaker").await;
    let done = Cell::new(false);
    let traffic = setup.traffic(Duration::from_millis(20), |_| done.get(), || BreakerJob);
    let (timeline, ids) = tokio::join!(run_scenario(&setup, &done), traffic);
    let calls = setup.service.calls();

    // All workers stop within a second after the last allowed failure.
    let mut failures: Vec<_> = calls.iter().filter(|call| call.failed).collect();
    failures.sort_by_key(|call| call.to);
    let threshold = failures[FAILURES - 1].to.expect("answered");
    assert!(threshold - timeline.down < 2_000, "it took {} ms to fail", threshold - timeline.down);
    let stopped = threshold + 1_000;
    let late = calls.iter().filter(|call| call.from >= stopped && call.from < timeline.up);
    let late: Vec<_> = late.cloned().collect();
    assert!(most_at_once(&late, stopped) <= PROBES, "probes at once");
    // The breaker stays open for at least a second after each failed probe.
    let fast = late.iter().filter(|call| call.from < timeline.silent).count();
    assert!(fast > 0 && fast <= 4 * PROBES, "{fast} calls while the service was down");

    // Recovery is gradual.
    let third = (timeline.recovery.1 - timeline.recovery.0) / 3;
    let started =
        |from: u64, to: u64| calls.iter().filter(|c| c.from >= from && c.from < to).count();
    let first = started(timeline.recovery.0, timeline.recovery.0 + third);
    let last = started(timeline.recovery.1 - third, timeline.recovery.1);
    assert!(
        first > 0 && last * 2 > first * 3,
        "{first} starts in the first third, {last} in the last"
    );

    // Every job completes, and only real calls were counted as attempts.
    let mut failed: HashMap<&str, u32> = HashMap::new();
    let mut affected: Vec<&str> = Vec::new();
    for call in &calls {
        *failed.entry(&call.job).or_default() += u32::from(call.failed);
        if timeline.killed.contains(&call.worker) {
            affected.push(&call.job);
        }
    }
    let mut held_back = 0;
    for id in &ids {
        let job = setup.completed(id).await;
        let attempts = failed.get(id.as_str()).copied().unwrap_or(0) + 1;
        // If the worker died during the call, its result is not known to other workers.
        if !affected.contains(&id.as_str()) {
            assert_eq!(job.attempt, attempts, "{id}: {:#?}", job.history);
        }
        held_back += usize::from(job.history.iter().any(|r| r.rule == Some(Rule::Breaker)));
    }
    assert!(held_back * 3 > ids.len(), "{held_back} of {} jobs were held back", ids.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_workers_stop_within_a_second_after_an_operator_opens_a_breaker() {
    let setup = TestSetup::new("byhand").await;
    let mut workers = Vec::new();
    for n in 0..4 {
        workers.push(setup.worker(&format!("h{n}")).await);
    }
    let (opened, ids) = tokio::join!(
        async {
            wait(Duration::from_millis(500)).await;
            // The task has the breaker of its service. The test opens a second one, which has the task's name.
            let pause_for = Some(Duration::from_secs(3));
            setup.client.open_breaker("call.guarded", pause_for, "a test").await.unwrap();
            now()
        },
        setup.traffic(Duration::from_millis(10), |sent| sent == 200, || BreakerJob),
    );
    wait(Duration::from_millis(500)).await;
    let calls = setup.service.calls();
    let late = calls.iter().filter(|c| c.from > opened + 1_000 && c.from < opened + 2_900).count();
    assert!(calls.len() > 10 && calls.len() < 150, "{} calls", calls.len());
    assert_eq!(late, 0);
    setup.client.reset_breaker("call.guarded").await.unwrap();
    setup.wait_until_empty().await;
    for id in &ids {
        assert_eq!(setup.completed(id).await.attempt, 1);
    }
}
