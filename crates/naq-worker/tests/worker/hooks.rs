//! Hooks: when they run, and that they never block a job.

use std::sync::{Arc, Mutex};

use naq_core::testing::{DiePoint, FaultPlan, FaultyTransport, Op};
use naq_core::{Failure, JobState};
use naq_worker::{Registry, TaskOptions};
use serde_json::Value;

use crate::bench::{Bench, Do, LEASE, Script, Seen, registry, run, script, secs};

/// The events that the hooks got.
#[derive(Debug, Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn add(&self, line: String) {
        self.0.lock().expect("not poisoned").push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("not poisoned"))
    }
}

fn told_of_all(seen: &Arc<Seen>, told: &Told) -> Registry<Arc<Seen>> {
    let (a, b, c) = (told.clone(), told.clone(), told.clone());
    registry(seen)
        .on_retry(move |e| {
            let (job, rule, delay) = (&e.job.id, e.rule, e.delay.as_secs());
            let of = e.job.max_attempts();
            a.add(format!("retry {job} {} of {of} {} {rule} {delay}s", e.attempt, e.error_kind));
            async {}
        })
        .on_success_after_retry(move |e| {
            b.add(format!("recovered {} at {} after {:?}", e.job.id, e.attempt, e.took));
            async {}
        })
        .on_exhausted(move |e| {
            let (rule, history) = (e.rule, e.job.history.len());
            let what = format!("{} {rule} {:?} {history}", e.error_kind, e.message);
            c.add(format!("exhausted {} after {} {what}", e.job.id, e.attempt));
            async {}
        })
}

fn fail() -> Do {
    Do::Fail("ConnectionError".into())
}

#[tokio::test]
async fn hooks_run_for_each_retry_recovery_and_death_and_for_nothing_else() {
    let (bench, told) = (Bench::new(), Told::default());
    let registry = told_of_all(&bench.seen, &told);
    let _worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry));
    bench.enqueue("fine", [Do::Succeed]).await;
    bench.enqueue("later", [Do::Snooze(1)]).await;
    bench.enqueue("off", [Do::Cancel]).await;
    bench.pass(secs(1)).await;
    assert_eq!(bench.state("later").await, JobState::Completed);
    assert_eq!(told.take(), Vec::<String>::new());

    bench.enqueue("well", [fail(), Do::RetryAfter(9), Do::Succeed]).await;
    assert_eq!(told.take(), ["retry well 1 of 4 ConnectionError strategy 5s"]);
    bench.pass(secs(5)).await;
    assert_eq!(told.take(), ["retry well 2 of 4 Error retry_after 9s"]);
    bench.pass(secs(9)).await;
    assert_eq!(told.take(), ["recovered well at 3 after 0ns"]);

    bench.enqueue("bad", [fail(), Do::Fatal]).await;
    bench.pass(secs(5)).await;
    assert_eq!(
        told.take(),
        [
            "retry bad 1 of 4 ConnectionError strategy 5s",
            "exhausted bad after 2 ValueError fatal \"never again\" 2"
        ]
    );
}

#[tokio::test]
async fn the_recovery_hook_runs_even_for_a_job_that_wants_no_record() {
    let (bench, told) = (Bench::new(), Told::default());
    let registry = told_of_all(&bench.seen, &told);
    let _worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry));
    let job = bench.client.enqueue(Script(vec![fail(), Do::Succeed])).id("job");
    job.record_ttl(secs(0)).await.expect("sent");
    bench.turn().await;
    bench.pass(secs(5)).await;
    assert_eq!(told.take().last().expect("told"), "recovered job at 2 after 0ns");
}

#[tokio::test]
async fn the_exhausted_hook_runs_for_a_poison_job_and_an_unknown_task() {
    let (bench, told) = (Bench::new(), Told::default());
    let registry = || told_of_all(&bench.seen, &told);
    let over = || Arc::new(bench.broker.clone());
    let worker = run(bench.builder_of(over(), registry()));
    let job = bench.client.enqueue(Script(vec![Do::Hang { heed: false }])).id("job");
    job.max_crashes(1).await.expect("sent");
    bench.turn().await;
    worker.kill().await;
    let _second = run(bench.builder_of(over(), registry()));
    bench.pass(LEASE).await;
    let [line] = &told.take()[..] else { panic!("told once") };
    assert!(line.starts_with("exhausted job after 1 Crash max_crashes"), "{line}");

    bench.client.enqueue_task("nobody", &()).expect("a name").id("job-2").await.expect("sent");
    bench.turn().await;
    bench.pass(secs(24 * 60 * 60)).await;
    let told = told.take();
    let [line] = &told[..] else { panic!("told once: {told:?}") };
    assert!(line.starts_with("exhausted job-2 after 1 UnknownTask unknown_task"), "{line}");
}

#[tokio::test]
async fn hooks_of_a_task_run_for_that_task_only_in_addition_to_those_of_all_tasks() {
    let (bench, told) = (Bench::new(), Told::default());
    let (all, one) = (told.clone(), told.clone());
    let note = |to: &Told, who: &str| to.add(who.to_owned());
    let options = TaskOptions::new().on_exhausted(move |e| {
        note(&one, &format!("one {}", e.job.id));
        async {}
    });
    let registry = Registry::with_state(bench.seen.clone())
        .task_with(script, options)
        .raw("other", async |_: Value, _| Err::<(), _>(Failure::msg("no").fatal()))
        .on_exhausted(move |e| {
            note(&all, &format!("all {}", e.job.id));
            async {}
        });
    let _worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry));
    bench.enqueue("job", [Do::Fatal]).await;
    assert_eq!(told.take(), ["all job", "one job"]);
    bench.client.enqueue_task("other", &()).expect("a name").id("job-2").await.expect("sent");
    bench.turn().await;
    assert_eq!(told.take(), ["all job-2"]);
}

#[tokio::test]
async fn a_hook_that_panics_or_never_ends_blocks_no_job() {
    let (bench, told) = (Bench::new(), Told::default());
    let heard = told.clone();
    let registry = registry(&bench.seen)
        .on_exhausted(|_| -> std::future::Ready<()> { panic!("at once") })
        .on_exhausted(|_| async { panic!("later") })
        .on_exhausted(|_| std::future::pending())
        .on_exhausted(move |e| {
            heard.add(e.job.id.to_string());
            async {}
        });
    let worker = bench.builder_of(Arc::new(bench.broker.clone()), registry).concurrency(1);
    let mut worker = run(worker);
    bench.enqueue("job", [Do::Fatal]).await;
    assert_eq!((told.take(), bench.state("job").await), (vec!["job".into()], JobState::Running));
    bench.pass(secs(3)).await;
    assert_eq!((bench.state("job").await, bench.left().await), (JobState::Dead, 0));
    // The slot is free again, and the worker lives. A worker that stops waits no longer than that.
    bench.enqueue("next", [Do::Fatal]).await;
    worker.stop();
    bench.pass(secs(3)).await;
    assert_eq!((bench.state("next").await, bench.left().await), (JobState::Dead, 0));
    worker.exit().await;
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("in drop");
    }
}

#[tokio::test]
async fn hooks_that_panic_when_they_are_dropped_cost_neither_the_job_nor_the_slot() {
    let bench = Bench::new();
    let hang = |_| async {
        let _bomb = PanicsWhenDropped;
        std::future::pending::<()>().await;
    };
    let registry = registry(&bench.seen).on_exhausted(hang).on_exhausted(hang);
    let worker = bench.builder_of(Arc::new(bench.broker.clone()), registry).concurrency(1);
    let _worker = run(worker);
    bench.enqueue("job", [Do::Fatal]).await;
    bench.pass(secs(3)).await;
    assert_eq!((bench.state("job").await, bench.left().await), (JobState::Dead, 0));
    bench.enqueue("next", [Do::Succeed]).await;
    assert_eq!(bench.state("next").await, JobState::Completed);
}

#[tokio::test]
async fn a_hook_runs_again_when_its_worker_dies_before_the_decision_is_stored() {
    for (point, times) in [(DiePoint::Before(Op::Retry), 2), (DiePoint::After(Op::Retry), 1)] {
        let (bench, told) = (Bench::new(), Told::default());
        let plan = FaultPlan::new().die_at(point, 1);
        let faulty = Arc::new(FaultyTransport::new(bench.broker.clone(), plan));
        let worker = run(bench.builder_of(faulty.clone(), told_of_all(&bench.seen, &told)));
        bench.enqueue("job", [fail(), Do::Succeed]).await;
        assert_eq!(faulty.died_at(), Some(point));
        worker.kill().await;
        let over = Arc::new(bench.broker.clone());
        let _second = run(bench.builder_of(over, told_of_all(&bench.seen, &told)));
        bench.pass(LEASE + secs(10)).await;
        let told = told.take();
        let retries = told.iter().filter(|line| line.starts_with("retry job 1")).count();
        assert_eq!(retries, times, "{point}: {told:?}");
        assert_eq!(bench.state("job").await, JobState::Completed, "{point}");
    }
}
