//! Statistics: each attempt is counted once, written once a second, and no job waits for it.

use std::sync::Arc;
use std::time::Duration;

use naq_core::redact::Redactor;
use naq_core::retry::Rule;
use naq_core::stats::{Counts, History, StatsReport};
use naq_core::testing::{DiePoint, Fault, FaultPlan, Op};
use naq_core::transport::StatsStore;
use naq_core::{Clock, ErrorKind, Failure, JobState};
use naq_worker::Registry;

use crate::bench::{Bench, Do, LEASE, run, secs};

async fn reports(bench: &Bench) -> Vec<StatsReport> {
    bench.broker.stats_since(0, 1_000).await.expect("a page").reports
}

async fn history(bench: &Bench) -> History {
    let mut history = History::default();
    for report in reports(bench).await {
        history.apply(report, bench.clock.now());
    }
    history
}

/// All tasks together, over the last hour.
async fn counts(bench: &Bench) -> Counts {
    let history = history(bench).await;
    history.totals(secs(3600), bench.clock.now()).all()
}

/// Completed, retried, dead, cancelled, expired, snoozed, held back, interrupted.
fn endings(counts: &Counts) -> [u64; 8] {
    [
        counts.completed.total(),
        counts.retried.total(),
        counts.dead.total(),
        counts.cancelled,
        counts.expired,
        counts.snoozed,
        counts.held_back,
        counts.interrupted,
    ]
}

#[tokio::test]
async fn every_ending_is_counted_once_at_its_attempt() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    bench.enqueue("good", [Do::Succeed]).await;
    bench.enqueue("saved", [Do::Fail("ValueError".into()), Do::Succeed]).await;
    bench.enqueue("fatal", [Do::Fatal]).await;
    bench.enqueue("gives-up", [Do::Cancel]).await;
    bench.enqueue("sleepy", [Do::Snooze(5)]).await;
    bench.pass(secs(60)).await;
    let counts = counts(&bench).await;
    assert_eq!(endings(&counts), [3, 1, 1, 1, 0, 1, 0, 0]);
    assert_eq!((counts.starts.total(), counts.starts.at(2)), (7, 1));
    assert_eq!((counts.completed.at(1), counts.completed.at(2)), (2, 1));
    assert_eq!(counts.duration.count(), 7);
    // First attempts waited in the queue; the retry and the snoozed job were late.
    assert_eq!((counts.wait.count(), counts.lateness.count()), (5, 2));
    assert_eq!((counts.delay.count(), counts.crashes), (1, 0));
    let history = history(&bench).await;
    let groups = history.groups(secs(3600), 1, bench.clock.now());
    let rules: Vec<_> = groups.iter().flat_map(|it| it.group.rules.keys().copied()).collect();
    assert_eq!(groups.len(), 2, "a snooze and a cancel are no errors");
    assert!(rules.contains(&Rule::Fatal), "{rules:?}");
}

#[tokio::test]
async fn expired_jobs_and_unknown_tasks_are_counted_too() {
    let bench = Bench::new();
    let past = bench.clock.now() + secs(1);
    let job = bench.client.enqueue(crate::bench::Script(vec![Do::Succeed])).id("late");
    job.deadline(past).await.expect("enqueued");
    bench.client.enqueue_task("nobody.knows", &()).expect("a name").await.expect("enqueued");
    bench.pass(secs(2)).await;
    let _worker = bench.start().await;
    bench.pass(secs(2)).await;
    let history = history(&bench).await;
    let totals = history.totals(secs(3600), bench.clock.now());
    let tasks: Vec<_> = totals.tasks().map(|(_, task, n)| (task.to_string(), endings(n))).collect();
    let unknown = ("_unknown".to_owned(), [0, 0, 0, 0, 0, 1, 0, 0]);
    let expired = ("script".to_owned(), [0, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(tasks, [unknown, expired], "a producer makes up no labels");
}

#[tokio::test]
async fn an_idle_worker_writes_nothing_and_a_busy_one_a_report_each_second() {
    let bench = Bench::new();
    let (_worker, faulty) = bench.start_faulty(FaultPlan::new()).await;
    bench.pass(secs(600)).await;
    assert_eq!(faulty.calls(Op::Stats), 0);
    for n in 0..50 {
        bench.enqueue(&format!("job-{n}"), [Do::Succeed]).await;
    }
    bench.pass(secs(1)).await;
    assert_eq!(faulty.calls(Op::Stats), 1);
    bench.pass(secs(600)).await;
    assert_eq!(faulty.calls(Op::Stats), 1);
    assert_eq!(counts(&bench).await.completed.total(), 50);
}

#[tokio::test]
async fn an_outage_of_the_statistics_delays_no_job_and_loses_nothing() {
    let bench = Bench::new();
    for fault in [Fault::Unreachable, Fault::Refused, Fault::Timeout] {
        let before = counts(&bench).await.completed.total();
        let plan = FaultPlan::new().on(Op::Stats, 1, 3, fault);
        let (mut worker, _faulty) = bench.start_faulty(plan).await;
        let id = format!("{fault:?}");
        bench.enqueue(&id, [Do::Succeed]).await;
        assert_eq!(bench.state(&id).await, JobState::Completed);
        bench.pass(secs(200)).await;
        assert_eq!(counts(&bench).await.completed.total(), before + 1, "{fault:?}");
        worker.stop();
        bench.pass(secs(5)).await;
        assert!(worker.has_ended());
    }
}

#[tokio::test]
async fn a_report_that_is_too_large_is_written_without_what_does_not_fit() {
    // Number of refusals, then: error groups, time buckets of due retries, failures in all.
    for (refused, left) in [(1, Some((0, 1, 1))), (2, Some((0, 0, 1))), (3, None)] {
        let bench = Bench::new();
        let plan = FaultPlan::new().on(Op::Stats, 1, refused, Fault::TooLarge);
        let (_worker, faulty) = bench.start_faulty(plan).await;
        bench.enqueue("job", [Do::Fail("Error".into()), Do::Succeed]).await;
        bench.pass(secs(1)).await;
        let read = |report: &StatsReport| {
            let due = report.tasks.iter().map(|stats| stats.counts.due.len()).sum();
            let failed: u64 = report.tasks.iter().map(|stats| stats.counts.failed()).sum();
            assert_eq!(report.other_errors, 1);
            (report.errors.len(), due, failed)
        };
        assert_eq!(reports(&bench).await.first().map(read), left, "refused {refused} times");
        assert_eq!(faulty.calls(Op::Stats), 3.min(refused + 1));
        bench.pass(secs(60)).await;
        assert_eq!(bench.state("job").await, JobState::Completed);
        assert!(!reports(&bench).await.is_empty(), "it goes on telling");
    }
}

#[tokio::test]
async fn a_worker_that_stops_writes_what_it_has_not_yet_written() {
    let bench = Bench::new();
    let mut worker = bench.start().await;
    bench.enqueue("job", [Do::Succeed]).await;
    assert_eq!(counts(&bench).await.completed.total(), 0, "not yet");
    worker.stop();
    bench.turn().await;
    worker.exit().await;
    assert_eq!(counts(&bench).await.completed.total(), 1);
}

#[tokio::test]
async fn a_worker_that_cannot_write_stops_all_the_same() {
    let bench = Bench::new();
    let (mut worker, faulty) = bench.start_faulty(FaultPlan::new()).await;
    bench.enqueue("job", [Do::Succeed]).await;
    faulty.cut();
    worker.stop();
    bench.pass(secs(60)).await;
    assert!(worker.has_ended());
}

#[tokio::test]
async fn a_crash_is_counted_once_by_the_worker_that_settles_the_job() {
    for point in [DiePoint::Before(Op::Record), DiePoint::After(Op::Record)] {
        let bench = Bench::new();
        let (first, faulty) = bench.start_faulty(FaultPlan::new().die_at(point, 1)).await;
        bench.enqueue("job", [Do::Succeed]).await;
        assert_eq!(faulty.died_at(), Some(point));
        first.kill().await;
        let _second = bench.start().await;
        bench.pass(LEASE * 3).await;
        assert_eq!(bench.state("job").await, JobState::Completed);
        let counts = counts(&bench).await;
        // After the record the job has ended: the count of that second is lost with the worker.
        let expected = if point == DiePoint::Before(Op::Record) { (1, 1) } else { (0, 0) };
        assert_eq!((counts.completed.total(), counts.crashes), expected, "{point}");
    }
}

#[tokio::test]
async fn a_cancelled_job_is_counted_once_whether_it_ran_or_waited() {
    let bench = Bench::new();
    let mut worker = bench.start().await;
    bench.enqueue("runs", [Do::Hang { heed: true }]).await;
    bench.enqueue("waits", [Do::Fail("Error".into())]).await;
    for id in ["runs", "waits"] {
        let key = bench.report(id).await.key;
        bench.client.cancel(&key, "not needed").await.expect("cancelled");
        assert!(bench.client.cancel(&key, "again").await.is_err());
    }
    bench.pass(secs(2)).await;
    worker.stop();
    bench.pass(secs(5)).await;
    let counts = counts(&bench).await;
    assert_eq!(counts.cancelled, 2);
    assert_eq!((counts.interrupted, counts.ended()), (1, 2));
}

#[tokio::test]
async fn a_job_that_is_given_back_has_not_ended() {
    let bench = Bench::new();
    let mut worker =
        bench.start_with(|builder| builder.shutdown_timeout(Duration::from_secs(1))).await;
    bench.enqueue("job", [Do::Hang { heed: true }]).await;
    worker.stop();
    bench.pass(secs(10)).await;
    let counts = counts(&bench).await;
    assert_eq!((counts.interrupted, counts.ended(), counts.starts.total()), (1, 0, 1));
}

#[tokio::test]
async fn a_worker_with_statistics_off_writes_none() {
    let bench = Bench::new();
    let _worker = bench.start_with(|builder| builder.stats(false)).await;
    bench.enqueue("job", [Do::Succeed]).await;
    bench.pass(secs(60)).await;
    assert_eq!(reports(&bench).await, []);
}

#[tokio::test]
async fn secrets_in_errors_are_neither_stored_nor_reported() {
    let leak = async |_: serde_json::Value, _: naq_worker::Context<()>| -> Result<(), Failure> {
        Err(Failure::new(ErrorKind::VALUE, "login as bob password=hunter2, pin: 1234").fatal())
    };
    let bench = Bench::new();
    let registry = Registry::new().raw("leak", leak);
    let builder = bench.builder_of(Arc::new(bench.broker.clone()), registry);
    let _worker = run(builder.redact(Redactor::default().key("pin")));
    let job = bench.client.enqueue_task("leak", &()).expect("a name").id("job");
    job.await.expect("enqueued");
    bench.pass(secs(2)).await;
    let report = bench.report("job").await;
    let told = format!("{report:?} {:?}", reports(&bench).await);
    let body = String::from_utf8_lossy(&report.stored.message.body).into_owned();
    for text in [&told, &body] {
        assert!(!text.contains("hunter2") && !text.contains("1234"), "{text}");
        assert!(text.contains("password=[redacted], pin: [redacted]"), "{text}");
    }
}
