//! Retry budgets: how many retries start, and when the rest starts.

use std::sync::Arc;
use std::time::Duration;

use naq_client::Client;
use naq_core::JobState;
use naq_core::flow::RetryBudget;
use naq_core::testing::{FaultPlan, FaultyTransport, Op};
use naq_worker::{Registry, TaskOptions, WorkerBuilder};

use crate::bench::{Bench, Do, Script, run, secs};

/// The script's task, with a budget.
fn with_budget(bench: &Bench, budget: RetryBudget) -> WorkerBuilder {
    let registry = Registry::with_state(bench.seen.clone())
        .task_with(crate::bench::script, TaskOptions::new().retry_budget(budget));
    bench.builder_of(Arc::new(bench.broker.clone()), registry)
}

/// Enqueues jobs that fail once, and are due again after a second.
async fn enqueue(client: &Client, jobs: std::ops::Range<usize>) {
    for n in jobs {
        let job = Script(vec![Do::Fail("ConnectionError".into()), Do::Succeed]);
        let job = client.enqueue(job).id(format!("job{n}"));
        job.max_retries(3).retry_delay(secs(1)).await.expect("enqueued");
    }
}

#[tokio::test]
async fn retries_beyond_the_budget_wait_and_none_is_lost() {
    let bench = Bench::new();
    let budget = RetryBudget::new(0.0, 1.0).burst(10);
    let _worker = run(with_budget(&bench, budget));
    bench.turn().await;
    enqueue(&bench.client, 0..50).await;
    bench.turn().await;
    assert_eq!(bench.seen.total(), 50);
    bench.pass(secs(1)).await;
    // The burst, and the tokens of one second.
    let mut retries = bench.seen.total() - 50;
    assert!((9..=12).contains(&retries), "{retries} at once");
    for second in 2..=40 {
        bench.pass(secs(1)).await;
        retries = bench.seen.total() - 50;
        assert!(retries <= 10 + second + 3, "{retries} after {second} s");
    }
    bench.pass(secs(200)).await;
    assert_eq!((bench.seen.total(), bench.left().await), (100, 0));
    for n in 0..50 {
        let job = bench.report(&format!("job{n}")).await;
        assert_eq!(job.state, JobState::Completed);
        assert_eq!(job.envelope.expect("readable").attempt, 2, "the wait counts as no attempt");
    }
    let mut waited = 0;
    for n in 0..50 {
        let history = bench.history(&format!("job{n}")).await;
        let held = ["1:Failed:strategy", "2:HeldBack:budget", "2:Completed:succeeded"];
        waited += usize::from(history == held);
    }
    assert!((35..=41).contains(&waited), "{waited} waited");
}

#[tokio::test]
async fn the_budget_holds_over_workers_together() {
    let bench = Bench::new();
    let budget = RetryBudget::new(0.0, 0.5).burst(8);
    let workers: Vec<_> = (0..4).map(|_| run(with_budget(&bench, budget))).collect();
    bench.turn().await;
    enqueue(&bench.client, 0..60).await;
    bench.turn().await;
    for second in 1..=60 {
        bench.pass(secs(1)).await;
        let retries = bench.seen.total() - 60;
        // Each worker may hold a quarter of a burst, but all tokens come from one entry.
        assert!(retries <= 8 + second / 2 + 1, "{retries} after {second} s");
    }
    drop(workers);
}

#[tokio::test]
async fn first_attempts_give_retries_their_share() {
    let bench = Bench::new();
    // One shared token, and almost none by time.
    let budget = RetryBudget::new(0.5, 0.000_01).burst(1);
    let _worker = run(with_budget(&bench, budget));
    bench.turn().await;
    for n in 0..40 {
        enqueue(&bench.client, n..n + 1).await;
        bench.pass(secs(2)).await;
    }
    let retries = bench.seen.total() - 40;
    assert!((15..=21).contains(&retries), "{retries} for 40 first attempts");
}

#[tokio::test]
async fn a_queue_has_a_budget_of_its_own() {
    let bench = Bench::new();
    let budget = RetryBudget::new(0.0, 0.1).burst(2);
    let builder = bench.builder(Arc::new(bench.broker.clone())).queues(["default", "other"]);
    let _worker = run(builder.retry_budget("default", budget));
    bench.turn().await;
    enqueue(&bench.client, 0..10).await;
    let other = bench.client.clone().default_queue("other".parse().expect("a name"));
    enqueue(&other, 10..20).await;
    bench.turn().await;
    bench.pass(secs(2)).await;
    assert_eq!(bench.seen.total(), 20 + 2 + 10);
}

#[tokio::test]
async fn without_retries_a_budget_costs_no_request() {
    let bench = Bench::new();
    let faulty = Arc::new(FaultyTransport::new(bench.broker.clone(), FaultPlan::new()));
    let registry = Registry::with_state(bench.seen.clone()).task_with(
        crate::bench::script,
        TaskOptions::new().retry_budget(RetryBudget::new(0.2, 1.0)),
    );
    let _worker = run(bench.builder_of(faulty.clone(), registry));
    bench.turn().await;
    for n in 0..100 {
        bench.enqueue(&format!("job{n}"), [Do::Succeed]).await;
    }
    bench.pass(Duration::from_secs(10)).await;
    assert_eq!((bench.seen.total(), faulty.calls(Op::State)), (100, 0));
}
