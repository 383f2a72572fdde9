//! How a worker process ends: by a deploy, at once, or by the hand of a poison job.

use std::cell::Cell;
use std::time::Duration;

use naq_core::JobState;
use naq_faults::ledger::now;
use naq_faults::plan::LEASE_MS;
use naq_faults::script::{POISON_CRASHES, Script, Step};
use naq_testing::{ChildProcess, eventually};

use crate::support::{PATIENCE, Scene, died};

#[tokio::test]
async fn a_deploy_finishes_what_runs_gives_back_the_rest_and_counts_as_nothing() {
    let scene = Scene::new("drain").await;
    // Fast jobs make it read ahead, so that slow ones wait in its hands when the signal comes.
    let fast = scene.enqueue_many(Script::Succeed, 300).await;
    let slow = scene.enqueue_many(Script::Slow { ms: 500 }, 8).await;
    let mut first = scene.worker_with("first", None, &["--concurrency", "2"]);
    scene.started(&slow[0]).await;
    first.terminate().expect("a signal");
    let status = first.wait(PATIENCE).await.expect("it drains");
    assert_eq!(status.code(), Some(0), "{}", first.stderr());

    let ran = |job| scene.runs(job);
    let by_first: Vec<_> = slow.iter().filter(|job| !ran(job).is_empty()).collect();
    assert!(by_first.len() < slow.len(), "nothing was left for the second");
    for job in &by_first {
        assert!(ran(job)[0].finish.is_some(), "{} was cut off", job.id);
    }

    let _second = scene.worker("second", None);
    for job in fast.iter().chain(&slow) {
        let end = scene.end(job).await;
        assert_eq!(end.state, JobState::Completed);
        assert_eq!((end.step, end.crashes), (Step::attempt(1), 0), "{}", job.id);
        assert_eq!(ran(job).len(), 1, "{}", job.id);
    }
}

#[tokio::test]
async fn a_job_on_its_way_to_a_worker_that_stops_runs_once() {
    let scene = Scene::new("onway").await;
    let done = Cell::new(false);
    // Small batches in quick succession: some jobs are on their way at any moment.
    let traffic = async {
        let mut jobs = Vec::new();
        while !done.get() {
            jobs.extend(scene.enqueue_many(Script::Succeed, 4).await);
            // On a busy machine the workers are the slower side.
            scene.fewer_than(100).await;
        }
        jobs
    };
    let deploys = async {
        let mut worker = scene.worker("w0", None);
        worker.wait_for_output("working on", PATIENCE).await.unwrap();
        for life in 1..=40 {
            let mut next = scene.worker(&format!("w{life}"), None);
            next.wait_for_output("working on", PATIENCE).await.unwrap();
            worker.terminate().unwrap();
            let status = worker.wait(PATIENCE).await.unwrap();
            assert_eq!(status.code(), Some(0), "{}", worker.stderr());
            worker = next;
        }
        done.set(true);
        worker
    };
    let (jobs, _worker) = tokio::join!(traffic, deploys);
    scene.quiet().await;
    let history = scene.history();
    for job in &jobs {
        let runs = history.runs(&job.id);
        assert_eq!(runs.len(), 1, "{}: {runs:?}", job.id);
    }
}

#[tokio::test]
async fn what_is_given_back_runs_elsewhere_without_waiting_for_a_lease() {
    let scene = Scene::new("handover").await;
    let job = scene.enqueue(Script::Slow { ms: 2_500 }, 0).await;
    let mut first = scene.worker_with("first", None, &["--shutdown-ms", "100"]);
    scene.started(&job).await;
    let _second = scene.worker("second", None);
    first.terminate().expect("a signal");
    assert_eq!(first.wait(PATIENCE).await.expect("it drains").code(), Some(0));
    let end = scene.end(&job).await;
    assert_eq!((end.state, end.step, end.crashes), (JobState::Completed, Step::attempt(1), 0));
    assert_eq!(scene.runs(&job).len(), 2, "cut off, and run again");
}

#[tokio::test]
async fn a_second_signal_ends_the_worker_at_once_and_loses_nothing() {
    let ends = async |signal: fn(&mut ChildProcess), code: i32| {
        let scene = Scene::new("forced").await;
        let job = scene.enqueue(Script::Slow { ms: 4_000 }, 0).await;
        let mut first = scene.worker("first", None);
        scene.started(&job).await;
        signal(&mut first);
        first.wait_for_output("stopping", PATIENCE).await.expect("it says so");
        signal(&mut first);
        let status = first.wait(Duration::from_secs(2)).await.expect("at once");
        assert_eq!(status.code(), Some(code), "{}", first.stderr());
        let _second = scene.worker("second", None);
        let end = scene.end(&job).await;
        assert_eq!((end.state, end.step), (JobState::Completed, Step::attempt(1)));
    };
    tokio::join!(
        ends(|child| child.terminate().expect("SIGTERM"), 143),
        ends(|child| child.interrupt().expect("SIGINT"), 130),
    );
}

#[tokio::test]
async fn a_job_that_kills_three_workers_is_poison_and_its_attempt_is_not_counted() {
    let scene = Scene::new("poison").await;
    let job = scene.enqueue(Script::Poison, 0).await;
    for n in 0..POISON_CRASHES {
        died(scene.worker(&format!("victim{n}"), None)).await;
    }
    let _survivor = scene.worker("survivor", None);
    let end = scene.end(&job).await;
    assert_eq!((end.state, end.rule.as_deref()), (JobState::Dead, Some("max_crashes")));
    assert_eq!((end.step, end.crashes), (Step::attempt(1), POISON_CRASHES));
    assert_eq!(scene.runs(&job).len(), POISON_CRASHES as usize);
}

#[tokio::test]
async fn a_worker_that_was_killed_is_taken_over_within_a_lease_and_a_second() {
    let scene = Scene::new("takeover").await;
    let job = scene.enqueue(Script::Slow { ms: 3_000 }, 0).await;
    let mut first = scene.worker("first", None);
    scene.started(&job).await;
    let _second = scene.worker("second", None);
    first.kill().expect("SIGKILL");
    let killed = now();
    eventually("a second start", PATIENCE, async || scene.runs(&job).len() == 2).await;
    let waited = scene.runs(&job)[1].start - killed;
    assert!(waited <= LEASE_MS + 1_000, "{waited} ms");
    let end = scene.end(&job).await;
    assert_eq!((end.state, end.step, end.crashes), (JobState::Completed, Step::attempt(1), 1));
}
