//! Jobs that enqueue jobs: each child once, however often the parent runs.

use std::sync::{Arc, Mutex};

use naq_core::testing::{DiePoint, FaultPlan, FaultyTransport, Op};
use naq_core::{ErrorKind, Failure, Job, JobState};
use naq_worker::{Context, Registry};
use serde::{Deserialize, Serialize};

use crate::bench::{Bench, LEASE, run, secs};

/// Enqueues three children, and fails at its first attempts where the test says so.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Parent {
    fails_once: bool,
}

impl Job for Parent {
    const NAME: &'static str = "parent";
    type Output = usize;
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Child(usize);

impl Job for Child {
    const NAME: &'static str = "child";
    type Output = ();
}

#[derive(Debug, Clone, Default)]
struct Family {
    children: Arc<Mutex<Vec<usize>>>,
}

impl Family {
    fn seen(&self) -> Vec<usize> {
        let mut all = self.children.lock().expect("not poisoned").clone();
        all.sort_unstable();
        all
    }
}

async fn parent(job: Parent, cx: Context<Family>) -> Result<usize, Failure> {
    let mut fresh = 0;
    for n in 0..3 {
        let child = cx.child(format!("child {n}"), Child(n)).await?;
        fresh += usize::from(!child.is_duplicate());
    }
    if job.fails_once && cx.attempt() == 1 {
        return Err(Failure::new(ErrorKind::CONNECTION, "after all of them"));
    }
    Ok(fresh)
}

async fn child(job: Child, cx: Context<Family>) -> Result<(), Failure> {
    cx.state().children.lock().expect("not poisoned").push(job.0);
    Ok(())
}

fn registry(family: &Family) -> Registry<Family> {
    Registry::with_state(family.clone()).task(parent).task(child)
}

async fn enqueue(bench: &Bench, job: Parent) {
    let job = bench.client.enqueue(job).id("parent").retry_delay(secs(600));
    job.await.expect("sent");
    bench.turn().await;
}

#[tokio::test]
async fn a_parent_that_runs_again_enqueues_no_child_twice_not_even_one_that_has_ended() {
    let (bench, family) = (Bench::new(), Family::default());
    let _worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry(&family)));
    enqueue(&bench, Parent { fails_once: true }).await;
    assert_eq!((bench.state("parent").await, family.seen()), (JobState::Retrying, vec![0, 1, 2]));
    // Long after the broker's dedup window.
    bench.pass(secs(600)).await;
    let result = bench.report("parent").await.result.expect("completed");
    assert_eq!(result.decode::<usize>().expect("a number"), 0, "none was new");
    assert_eq!((family.seen(), bench.left().await), (vec![0, 1, 2], 0));
}

#[tokio::test]
async fn each_child_is_enqueued_once_wherever_the_parents_worker_dies() {
    for nth in 1..=3 {
        for point in [DiePoint::Before(Op::Publish), DiePoint::After(Op::Publish)] {
            let (bench, family) = (Bench::new(), Family::default());
            let plan = FaultPlan::new().die_at(point, nth);
            let faulty = Arc::new(FaultyTransport::new(bench.broker.clone(), plan));
            let worker = bench.builder_of(faulty.clone(), registry(&family)).concurrency(1);
            let worker = run(worker);
            enqueue(&bench, Parent { fails_once: false }).await;
            assert_eq!(faulty.died_at(), Some(point));
            worker.kill().await;
            let over = Arc::new(bench.broker.clone());
            let _second = run(bench.builder_of(over, registry(&family)));
            bench.pass(LEASE + secs(1)).await;
            let what = format!("{point}, {nth}");
            assert_eq!(bench.state("parent").await, JobState::Completed, "{what}");
            assert_eq!((family.seen(), bench.left().await), (vec![0, 1, 2], 0), "{what}");
        }
    }
}

#[tokio::test]
async fn another_parent_has_children_of_its_own() {
    let (bench, family) = (Bench::new(), Family::default());
    let _worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry(&family)));
    for _ in 0..2 {
        bench.client.enqueue(Parent { fails_once: false }).await.expect("sent");
    }
    bench.turn().await;
    assert_eq!(family.seen(), [0, 0, 1, 1, 2, 2]);
}
