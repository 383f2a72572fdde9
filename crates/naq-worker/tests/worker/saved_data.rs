//! Progress and checkpoints: what a handler saves at the broker while it runs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq_client::{CheckpointError, Progress};
use naq_core::testing::{DiePoint, FaultPlan, FaultyTransport, Op};
use naq_core::transport::{StateKey, StateStore, Transport};
use naq_core::{Failure, Job, JobState};
use naq_worker::{Context, Registry};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::bench::{Bench, Do, LEASE, Running, run, secs};

/// StopKind an attempt ends before its last step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum StopKind {
    Fail,
    Fatal,
    Snooze,
    /// For ever, unless the test ends it.
    Hang,
}

const STEPS: u32 = 6;

/// Six steps, a checkpoint after each. The nth start ends before the nth of these steps.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Walk {
    stops: Vec<(u32, StopKind)>,
    /// Whether it reports progress.
    reports_progress: bool,
}

impl Job for Walk {
    const NAME: &'static str = "walk";
    type Output = u32;
}

#[derive(Debug, Clone, Default)]
struct WalkLog {
    starts: Arc<Mutex<usize>>,
    steps: Arc<Mutex<Vec<u32>>>,
    errors: Arc<Mutex<Vec<String>>>,
    gate: Arc<Notify>,
}

impl WalkLog {
    fn steps(&self) -> Vec<u32> {
        self.steps.lock().expect("not poisoned").clone()
    }

    fn start(&self) -> usize {
        let mut starts = self.starts.lock().expect("not poisoned");
        *starts += 1;
        *starts - 1
    }
}

async fn walk(job: Walk, cx: Context<WalkLog>) -> Result<u32, Failure> {
    let stop = job.stops.get(cx.state().start()).copied();
    let begin: u32 = cx.restore().await?.unwrap_or(0);
    for step in begin..STEPS {
        match stop.filter(|(at, _)| *at == step) {
            Some((_, StopKind::Fail)) => return Err(Failure::msg("as the test says")),
            Some((_, StopKind::Fatal)) => return Err(Failure::msg("as the test says").fatal()),
            Some((_, StopKind::Snooze)) => return Err(Failure::snooze(secs(5))),
            Some((_, StopKind::Hang)) => cx.state().gate.notified().await,
            None => {}
        }
        cx.state().steps.lock().expect("not poisoned").push(step);
        if job.reports_progress {
            cx.progress(u64::from(step) + 1, STEPS.into(), format!("step {step}"));
        }
        if let Err(err) = cx.checkpoint(&(step + 1)).await {
            cx.state().errors.lock().expect("not poisoned").push(err.to_string());
            return Err(err.into());
        }
    }
    Ok(STEPS)
}

fn registry(seen: &WalkLog) -> Registry<WalkLog> {
    Registry::with_state(seen.clone()).task(walk)
}

async fn start(bench: &Bench, seen: &WalkLog) -> Running {
    start_over(bench, seen, Arc::new(bench.broker.clone())).await
}

async fn start_over(bench: &Bench, seen: &WalkLog, over: Arc<dyn Transport>) -> Running {
    let running = run(bench.builder_of(over, registry(seen)));
    bench.turn().await;
    running
}

async fn enqueue(bench: &Bench, stops: &[(u32, StopKind)], reports_progress: bool) {
    let job = Walk { stops: stops.to_vec(), reports_progress };
    bench.client.enqueue(job).id("job").await.expect("enqueued");
    bench.turn().await;
}

/// The number of progress and checkpoint entries.
async fn entries(bench: &Bench) -> [usize; 2] {
    let mut found = [0; 2];
    for (kind, found) in ["progress", "checkpoint"].into_iter().zip(&mut found) {
        let prefix = StateKey::new([kind]).expect("a key");
        *found = bench.broker.state_list(&prefix, 0, 100).await.expect("lists").entries.len();
    }
    found
}

#[tokio::test]
async fn the_next_attempt_continues_from_the_checkpoint_after_any_end() {
    for how in [StopKind::Fail, StopKind::Snooze, StopKind::Fatal, StopKind::Hang] {
        let (bench, seen) = (Bench::new(), WalkLog::default());
        let _worker = start(&bench, &seen).await;
        enqueue(&bench, &[(2, how), (2, StopKind::Fail), (5, how)], true).await;
        for _ in 0..2 {
            match how {
                StopKind::Fatal => {
                    let report = bench.report("job").await;
                    assert_eq!(report.state, JobState::Dead);
                    assert!(report.checkpoint.is_some_and(|saved| saved.bytes == 1), "{how:?}");
                    bench.client.requeue(&report.stored, None).await.expect("requeued");
                }
                StopKind::Hang => seen.gate.notify_waiters(),
                StopKind::Fail | StopKind::Snooze => {}
            }
            bench.pass(secs(30)).await;
        }
        assert_eq!(bench.state("job").await, JobState::Completed, "{how:?}");
        assert_eq!(seen.steps(), (0..STEPS).collect::<Vec<_>>(), "{how:?}: each step once");
        assert_eq!(entries(&bench).await, [0, 0], "{how:?}: removed");
    }
}

#[tokio::test]
async fn after_a_crash_and_a_deploy_the_job_continues_from_its_checkpoint() {
    for deploy in [false, true] {
        let (bench, seen) = (Bench::new(), WalkLog::default());
        let mut worker = start(&bench, &seen).await;
        enqueue(&bench, &[(4, StopKind::Hang)], false).await;
        assert_eq!(seen.steps(), [0, 1, 2, 3]);
        if deploy {
            worker.stop();
            bench.pass(secs(32)).await;
            worker.exit().await;
        } else {
            worker.kill().await;
        }
        let _second = start(&bench, &seen).await;
        bench.pass(LEASE).await;
        assert_eq!(bench.state("job").await, JobState::Completed, "deploy {deploy}");
        assert_eq!(seen.steps(), [0, 1, 2, 3, 4, 5], "deploy {deploy}");
        assert_eq!(entries(&bench).await, [0, 0]);
    }
}

#[tokio::test]
async fn a_crash_around_a_checkpoint_repeats_at_most_the_step_before_it() {
    let third = [(DiePoint::Before(Op::State), vec![2]), (DiePoint::After(Op::State), vec![])];
    for (point, again) in third {
        let (bench, seen) = (Bench::new(), WalkLog::default());
        let plan = FaultPlan::new().die_at(point, 3);
        let faulty = Arc::new(FaultyTransport::new(bench.broker.clone(), plan));
        let worker = start_over(&bench, &seen, faulty.clone()).await;
        enqueue(&bench, &[], false).await;
        assert_eq!(faulty.died_at(), Some(point));
        worker.kill().await;
        let _second = start(&bench, &seen).await;
        bench.pass(LEASE + secs(10)).await;
        assert_eq!(bench.state("job").await, JobState::Completed, "{point}");
        assert_eq!(seen.steps(), [vec![0, 1, 2], again, vec![3, 4, 5]].concat(), "{point}");
    }
}

#[tokio::test]
async fn another_job_with_the_same_id_starts_without_a_checkpoint() {
    let (bench, seen) = (Bench::new(), WalkLog::default());
    let mut worker = start(&bench, &seen).await;
    enqueue(&bench, &[(3, StopKind::Fatal)], false).await;
    let letter = bench.report("job").await.stored;
    bench.client.purge_dead(&letter).await.expect("removed");
    bench.pass(secs(600)).await;
    enqueue(&bench, &[], false).await;
    assert_eq!(bench.state("job").await, JobState::Completed);
    assert_eq!(seen.steps(), [0, 1, 2, 0, 1, 2, 3, 4, 5]);
    // The checkpoint of the first job expires.
    assert_eq!(entries(&bench).await, [0, 1]);
    worker.stop();
    worker.exit().await;
    bench.pass(Duration::from_secs(31 * 24 * 3600)).await;
    assert_eq!(entries(&bench).await, [0, 0]);
}

#[tokio::test]
async fn an_attempt_that_lost_its_lease_cannot_overwrite_the_next_ones_checkpoint() {
    let (bench, seen, late) = (Bench::new(), WalkLog::default(), WalkLog::default());
    let faulty = FaultyTransport::new(bench.broker.clone(), FaultPlan::new());
    let faulty = Arc::new(faulty);
    // The handler runs on in a task of its own after its worker has stopped it.
    let registry =
        Registry::with_state(late.clone()).task(|job: Walk, cx: Context<WalkLog>| async {
            tokio::spawn(walk(job, cx)).await.map_err(Failure::from_error)?
        });
    let _first = run(bench.builder_of(faulty.clone(), registry));
    bench.turn().await;
    enqueue(&bench, &[(3, StopKind::Hang)], false).await;
    let _second = start(&bench, &seen).await;
    faulty.cut();
    bench.pass(LEASE + secs(5)).await;
    faulty.mend();
    assert!(seen.steps().is_empty(), "the second hangs where the first does");
    seen.gate.notify_waiters();
    bench.turn().await;
    assert_eq!(seen.steps(), [3, 4, 5]);
    late.gate.notify_waiters();
    bench.turn().await;
    assert_eq!(late.errors.lock().expect("not poisoned").len(), 1);
    let lost = CheckpointError::LeaseLost.to_string();
    assert_eq!(*late.errors.lock().expect("not poisoned"), [lost]);
    assert_eq!(entries(&bench).await, [0, 0], "and it left none");
}

#[tokio::test]
async fn progress_is_written_at_most_once_a_second_and_the_last_one_before_a_failure() {
    let bench = Bench::new();
    let gate = Arc::new(Notify::new());
    let faulty = FaultyTransport::new(bench.broker.clone(), FaultPlan::new());
    let faulty = Arc::new(faulty);
    let registry = Registry::with_state(gate.clone()).raw(
        "count",
        |_: serde_json::Value, cx: Context<Arc<Notify>>| async move {
            for n in 1..=1000 {
                cx.progress(n, 2000, format!("row {n}"));
            }
            cx.state().notified().await;
            cx.progress(1500, 2000, "half of the rest");
            if cx.attempt() == 1 { Err(Failure::msg("not yet")) } else { Ok(()) }
        },
    );
    let _worker = run(bench.builder_of(faulty.clone(), registry));
    let job = bench.client.enqueue_task("count", &()).expect("a name").id("job");
    job.retry_delay(secs(60)).await.expect("enqueued");
    bench.turn().await;
    let told = async || bench.report("job").await.progress.expect("told");
    let first = told().await;
    assert_eq!((first.done, first.total, first.percent()), (1000, 2000, Some(50)));
    assert_eq!((first.message.as_str(), first.attempt), ("row 1000", 1));
    bench.pass(secs(20)).await;
    assert_eq!(faulty.calls(Op::State), 1, "nothing new is not told again");
    gate.notify_waiters();
    bench.turn().await;
    assert_eq!((bench.state("job").await, told().await.done), (JobState::Retrying, 1500));
    assert_eq!(faulty.calls(Op::State), 2);
    bench.pass(secs(60)).await;
    assert_eq!(told().await.attempt, 2);
    gate.notify_waiters();
    bench.turn().await;
    let report = bench.report("job").await;
    assert_eq!((report.state, report.progress), (JobState::Completed, None));
    assert_eq!(entries(&bench).await, [0, 0]);
}

#[tokio::test]
async fn a_long_message_is_cut_between_two_characters() {
    let bench = Bench::new();
    let registry = Registry::new().raw("t", |_: serde_json::Value, cx: Context| async move {
        cx.progress(0, 0, "ä".repeat(400));
        std::future::pending::<Result<(), Failure>>().await
    });
    let _worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry));
    bench.client.enqueue_task("t", &()).expect("a name").id("job").await.expect("enqueued");
    bench.turn().await;
    let told = bench.report("job").await.progress.expect("told");
    assert_eq!((told.message.len(), told.percent()), (Progress::MAX_MESSAGE, None));
}

#[tokio::test]
async fn an_invalid_checkpoint_is_refused_with_a_reason() {
    let bench = Bench::new();
    let registry = Registry::new().raw("t", |_: serde_json::Value, cx: Context| async move {
        let large = cx.checkpoint("x".repeat(300 * 1024).as_str()).await;
        let Err(CheckpointError::TooLarge { size, max }) = large else { panic!("{large:?}") };
        assert!(size > max && max == 256 * 1024);
        assert_eq!(cx.restore::<u32>().await?, None);
        cx.checkpoint(&("a", 1)).await?;
        assert_eq!(cx.restore().await?, Some(("a".to_owned(), 1)));
        let other = cx.restore::<u32>().await;
        assert!(matches!(other, Err(CheckpointError::Decode(_))), "{other:?}");
        Ok::<_, Failure>(())
    });
    let _worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry));
    bench.client.enqueue_task("t", &()).expect("a name").id("job").await.expect("enqueued");
    bench.turn().await;
    assert_eq!(bench.state("job").await, JobState::Completed, "{:?}", bench.history("job").await);
}

#[tokio::test]
async fn a_blocking_handler_can_save_checkpoints_and_report_progress() {
    let bench = Bench::new();
    let registry = Registry::new().blocking(|_: Walk, cx: Context| {
        let begin: u32 = cx.block_on(cx.restore())?.unwrap_or(0);
        cx.progress(begin.into(), 2, "");
        cx.block_on(cx.checkpoint(&(begin + 1)))?;
        if begin == 0 { Err(Failure::msg("not yet")) } else { Ok(begin) }
    });
    let _worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry));
    enqueue(&bench, &[], false).await;
    let completed = async {
        while bench.state("job").await != JobState::Completed {
            bench.pass(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(secs(60), completed).await.expect("it never came to that");
    let result = bench.report("job").await.result.expect("a result");
    assert_eq!(result.decode::<u32>().expect("a number"), 1);
}

#[tokio::test]
async fn a_job_that_saves_nothing_sends_no_request() {
    let bench = Bench::new();
    let (_worker, faulty) = bench.start_faulty(FaultPlan::new()).await;
    let before = faulty.calls(Op::Other);
    bench.enqueue("job", [Do::Fail("Error".into()), Do::Succeed]).await;
    bench.pass(secs(10)).await;
    assert_eq!(bench.state("job").await, JobState::Completed);
    assert_eq!(faulty.calls(Op::State), 0);
    // Only the heartbeats of ten seconds.
    assert!(faulty.calls(Op::Other) - before <= 4, "{}", faulty.calls(Op::Other) - before);
}

#[tokio::test]
async fn a_job_that_ends_without_another_attempt_leaves_no_checkpoint() {
    for expires in [true, false] {
        let (bench, seen) = (Bench::new(), WalkLog::default());
        let worker = start(&bench, &seen).await;
        let job = Walk { stops: vec![(2, StopKind::Snooze)], reports_progress: false };
        bench.client.enqueue(job).id("job").expires_in(secs(20)).await.expect("enqueued");
        bench.turn().await;
        assert_eq!(entries(&bench).await, [0, 1]);
        worker.kill().await;
        if expires {
            bench.pass(secs(21)).await;
            let _late = start(&bench, &seen).await;
            bench.turn().await;
            assert_eq!(bench.state("job").await, JobState::Expired);
        } else {
            let key = bench.report("job").await.key;
            bench.client.cancel(&key, "not needed").await.expect("cancelled");
        }
        assert_eq!((entries(&bench).await, seen.steps()), ([0, 0], vec![0, 1]));
    }
}
