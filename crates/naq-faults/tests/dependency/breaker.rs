//! The breaker.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::Duration;

use naq_core::flow::breaker::Phase;
use naq_core::retry::Rule;
use naq_faults::caller::{Guarded, LEASE};
use naq_faults::ledger::now;
use naq_testing::{ChildProcess, eventually};

use crate::scene::{PATIENCE, Scene, pause};
use crate::service::{Mood, most_at_once};

/// As `caller::breaker` has them.
const FAILURES: usize = 8;
const PROBES: usize = 2;

impl Scene {
    async fn phase(&self) -> Phase {
        self.client.breaker(&self.breaker).await.unwrap().state.phase
    }

    /// The worker of a call that runs, and its place among the workers.
    fn prober(&self, workers: &[(String, ChildProcess)]) -> Option<usize> {
        let call = self.service.running().into_iter().next()?;
        workers.iter().position(|(name, _)| *name == call.worker)
    }
}

/// What the test did, and when.
struct Story {
    down: u64,
    silent: u64,
    up: u64,
    /// From when to when it recovered.
    recovery: (u64, u64),
    killed: Vec<String>,
}

/// Ends when all jobs have; `done` is set when there are to be no more.
async fn play(scene: &Scene, done: &Cell<bool>) -> Story {
    let mut workers = Vec::new();
    for n in 0..4 {
        let name = format!("w{n}");
        workers.push((name.clone(), scene.worker(&name).await));
    }
    let mut killed = Vec::new();
    let kill = async |n: usize, workers: &mut Vec<(String, ChildProcess)>| {
        let (name, mut child) = workers.swap_remove(n);
        child.kill().unwrap();
        name
    };
    pause(Duration::from_millis(1_000)).await;

    let down = now();
    scene.service.set(Mood::Down);
    pause(Duration::from_millis(3_500)).await;
    killed.push(kill(0, &mut workers).await);
    workers.push(("late".to_owned(), scene.worker("late").await));

    // Probes that hang are kept for longer than a lease; one whose worker dies is not.
    let silent = now();
    scene.service.set(Mood::Silent);
    eventually("all probes hang", PATIENCE, async || scene.service.running().len() == PROBES).await;
    pause(LEASE + Duration::from_millis(500)).await;
    let victim = scene.prober(&workers).expect("one of them probes");
    killed.push(kill(victim, &mut workers).await);
    eventually("another takes its place", LEASE * 4, async || {
        scene.service.running().len() == PROBES
    })
    .await;

    let up = now();
    scene.service.set(Mood::Up);
    let recovery = eventually("it recovers", PATIENCE, async || match scene.phase().await {
        Phase::Recovering { since, until, .. } => Ok((since.as_millis(), until.as_millis())),
        phase => Err(format!("{phase:?}")),
    })
    .await;
    eventually("it is closed", PATIENCE, async || now() > recovery.1).await;
    done.set(true);
    pause(Duration::from_millis(200)).await;
    scene.quiet().await;
    Story { down, silent, up, recovery, killed }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_workers_obey_one_breaker_while_a_service_goes_down_and_comes_back() {
    let scene = Scene::new("breaker").await;
    let done = Cell::new(false);
    let traffic = scene.traffic(Duration::from_millis(20), |_| done.get(), || Guarded);
    let (story, ids) = tokio::join!(play(&scene, &done), traffic);
    let calls = scene.service.calls();

    // All stop within a second of the failure that was one too many.
    let mut failures: Vec<_> = calls.iter().filter(|call| call.failed).collect();
    failures.sort_by_key(|call| call.to);
    let threshold = failures[FAILURES - 1].to.expect("answered");
    assert!(threshold - story.down < 2_000, "it took {} ms to fail", threshold - story.down);
    let stopped = threshold + 1_000;
    let late = calls.iter().filter(|call| call.from >= stopped && call.from < story.up);
    let late: Vec<_> = late.cloned().collect();
    assert!(most_at_once(&late, stopped) <= PROBES, "probes at once");
    // It is open for a second at least after each probe that failed.
    let fast = late.iter().filter(|call| call.from < story.silent).count();
    assert!(fast > 0 && fast <= 4 * PROBES, "{fast} calls while it was down");

    // Recovery is gradual.
    let third = (story.recovery.1 - story.recovery.0) / 3;
    let began = |from: u64, to: u64| calls.iter().filter(|c| c.from >= from && c.from < to).count();
    let first = began(story.recovery.0, story.recovery.0 + third);
    let last = began(story.recovery.1 - third, story.recovery.1);
    assert!(
        first > 0 && last * 2 > first * 3,
        "{first} starts in the first third, {last} in the last"
    );

    // Every job completes, and only real calls were counted as attempts.
    let mut failed: HashMap<&str, u32> = HashMap::new();
    let mut harmed: Vec<&str> = Vec::new();
    for call in &calls {
        *failed.entry(&call.job).or_default() += u32::from(call.failed);
        if story.killed.contains(&call.worker) {
            harmed.push(&call.job);
        }
    }
    let mut parked = 0;
    for id in &ids {
        let job = scene.completed(id).await;
        let attempts = failed.get(id.as_str()).copied().unwrap_or(0) + 1;
        // What a worker was told that died in that moment is not known to anybody else.
        if !harmed.contains(&id.as_str()) {
            assert_eq!(job.attempt, attempts, "{id}: {:#?}", job.history);
        }
        parked += usize::from(job.history.iter().any(|r| r.rule == Some(Rule::Breaker)));
    }
    assert!(parked * 3 > ids.len(), "{parked} of {} jobs were held back", ids.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_workers_obey_a_hand_within_a_second() {
    let scene = Scene::new("byhand").await;
    let mut workers = Vec::new();
    for n in 0..4 {
        workers.push(scene.worker(&format!("h{n}")).await);
    }
    let (opened, ids) = tokio::join!(
        async {
            pause(Duration::from_millis(500)).await;
            // The task has a breaker; it is paused beside that, by its own name.
            let pause_for = Some(Duration::from_secs(3));
            scene.client.open_breaker("call.guarded", pause_for, "a test").await.unwrap();
            now()
        },
        scene.traffic(Duration::from_millis(10), |sent| sent == 200, || Guarded),
    );
    pause(Duration::from_millis(500)).await;
    let calls = scene.service.calls();
    let late = calls.iter().filter(|c| c.from > opened + 1_000 && c.from < opened + 2_900).count();
    assert!(calls.len() > 10 && calls.len() < 150, "{} calls", calls.len());
    assert_eq!(late, 0);
    scene.client.reset_breaker("call.guarded").await.unwrap();
    scene.quiet().await;
    for id in &ids {
        assert_eq!(scene.completed(id).await.attempt, 1);
    }
}
