//! A worker process ends: by a deployment, by a second signal, by a crash, or by a poison job.

use std::cell::Cell;
use std::time::Duration;

use naq_core::JobState;
use naq_faults::ledger::now;
use naq_faults::plan::LEASE_MS;
use naq_faults::script::{MAX_CRASHES, Script, ScriptStep};
use naq_testing::{ChildProcess, eventually};

use crate::setup::{TIME_LIMIT, TestSetup};

#[tokio::test]
async fn a_deploy_finishes_running_jobs_gives_back_the_rest_and_counts_no_attempt_or_crash() {
    let setup = TestSetup::new("drain").await;
    // Fast jobs make the worker prefetch, so that it has slow jobs without a slot when the signal comes.
    let fast = setup.enqueue_many(Script::Succeed, 300).await;
    let slow = setup.enqueue_many(Script::Slow { ms: 500 }, 8).await;
    let mut first = setup.worker_with("first", None, &["--concurrency", "2"]);
    setup.started(&slow[0]).await;
    first.terminate().expect("a signal");
    let status = first.wait(TIME_LIMIT).await.expect("it drains");
    assert_eq!(status.code(), Some(0), "{}", first.stderr());

    let ran = |job| setup.runs(job);
    let by_first: Vec<_> = slow.iter().filter(|job| !ran(job).is_empty()).collect();
    assert!(by_first.len() < slow.len(), "no job was left for the second worker");
    for job in &by_first {
        assert!(ran(job)[0].finish.is_some(), "{} was stopped", job.id);
    }

    let _second = setup.worker("second", None);
    for job in fast.iter().chain(&slow) {
        let end = setup.end(job).await;
        assert_eq!(end.state, JobState::Completed);
        assert_eq!((end.step, end.crashes), (ScriptStep::attempt(1), 0), "{}", job.id);
        assert_eq!(ran(job).len(), 1, "{}", job.id);
    }
}

#[tokio::test]
async fn a_job_in_transit_to_a_worker_that_stops_runs_once() {
    let setup = TestSetup::new("onway").await;
    let done = Cell::new(false);
    // Small batches in quick succession, so that some jobs are always in transit to a worker.
    let traffic = async {
        let mut jobs = Vec::new();
        while !done.get() {
            jobs.extend(setup.enqueue_many(Script::Succeed, 4).await);
            // On a busy machine the workers are slower than this loop.
            setup.fewer_than(100).await;
        }
        jobs
    };
    let deploys = async {
        let mut worker = setup.worker("w0", None);
        worker.wait_for_output("working on", TIME_LIMIT).await.unwrap();
        for n in 1..=40 {
            let mut next = setup.worker(&format!("w{n}"), None);
            next.wait_for_output("working on", TIME_LIMIT).await.unwrap();
            worker.terminate().unwrap();
            let status = worker.wait(TIME_LIMIT).await.unwrap();
            assert_eq!(status.code(), Some(0), "{}", worker.stderr());
            worker = next;
        }
        done.set(true);
        worker
    };
    let (jobs, _worker) = tokio::join!(traffic, deploys);
    setup.wait_until_empty().await;
    let history = setup.history();
    for job in &jobs {
        let runs = history.runs(&job.id);
        assert_eq!(runs.len(), 1, "{}: {runs:?}", job.id);
    }
}

#[tokio::test]
async fn a_job_that_was_given_back_runs_on_another_worker_without_waiting_for_a_lease() {
    let setup = TestSetup::new("handover").await;
    let job = setup.enqueue(Script::Slow { ms: 2_500 }, 0).await;
    let mut first = setup.worker_with("first", None, &["--shutdown-ms", "100"]);
    setup.started(&job).await;
    let _second = setup.worker("second", None);
    first.terminate().expect("a signal");
    assert_eq!(first.wait(TIME_LIMIT).await.expect("it drains").code(), Some(0));
    let end = setup.end(&job).await;
    assert_eq!(
        (end.state, end.step, end.crashes),
        (JobState::Completed, ScriptStep::attempt(1), 0)
    );
    assert_eq!(setup.runs(&job).len(), 2, "stopped, and run again");
}

#[tokio::test]
async fn a_second_signal_ends_the_worker_at_once_and_loses_nothing() {
    let ends = async |signal: fn(&mut ChildProcess), code: i32| {
        let setup = TestSetup::new("forced").await;
        let job = setup.enqueue(Script::Slow { ms: 4_000 }, 0).await;
        let mut first = setup.worker("first", None);
        setup.started(&job).await;
        signal(&mut first);
        first.wait_for_output("stopping", TIME_LIMIT).await.expect("the log line");
        signal(&mut first);
        let status = first.wait(Duration::from_secs(2)).await.expect("at once");
        assert_eq!(status.code(), Some(code), "{}", first.stderr());
        let _second = setup.worker("second", None);
        let end = setup.end(&job).await;
        assert_eq!((end.state, end.step), (JobState::Completed, ScriptStep::attempt(1)));
    };
    tokio::join!(
        ends(|child| child.terminate().expect("SIGTERM"), 143),
        ends(|child| child.interrupt().expect("SIGINT"), 130),
    );
}

#[tokio::test]
async fn a_job_that_kills_its_workers_is_poison_and_its_attempt_is_not_counted() {
    let setup = TestSetup::new("poison").await;
    let job = setup.enqueue(Script::Poison, 0).await;
    let mut deaths = 0;
    let mut worker = setup.worker("poisoned0", None);
    eventually("the death of the job", TIME_LIMIT, async || {
        if worker.try_wait().expect("a process").is_some() {
            deaths += 1;
            worker = setup.worker(&format!("poisoned{deaths}"), None);
        }
        setup.stored_job(&job).await.ends.len() == 1
    })
    .await;
    let end = setup.end(&job).await;
    assert_eq!((end.state, end.rule.as_deref()), (JobState::Dead, Some("max_crashes")));
    assert_eq!((end.step, end.crashes), (ScriptStep::attempt(1), MAX_CRASHES));
    // The first death is counted if the worker could list the job before it died.
    let runs = setup.runs(&job).len();
    assert!((MAX_CRASHES as usize..=MAX_CRASHES as usize + 1).contains(&runs), "{runs} runs");
    assert_eq!(runs, deaths, "each run killed its worker");
}

#[tokio::test]
async fn the_job_of_a_killed_worker_starts_again_within_a_lease_and_a_second() {
    let setup = TestSetup::new("takeover").await;
    let job = setup.enqueue(Script::Slow { ms: 3_000 }, 0).await;
    let mut first = setup.worker("first", None);
    setup.started(&job).await;
    let _second = setup.worker("second", None);
    first.kill().expect("SIGKILL");
    let killed = now();
    eventually("a second start", TIME_LIMIT, async || setup.runs(&job).len() == 2).await;
    let waited = setup.runs(&job)[1].start - killed;
    assert!(waited <= LEASE_MS + 1_000, "{waited} ms");
    let end = setup.end(&job).await;
    assert_eq!(
        (end.state, end.step, end.crashes),
        (JobState::Completed, ScriptStep::attempt(1), 1)
    );
}
