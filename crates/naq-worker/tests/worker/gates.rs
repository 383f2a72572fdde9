//! Gates, when something goes wrong between a delivery and its handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use naq_core::flow::{LimitKeys, Slot};
use naq_core::testing::{Fault, FaultPlan, FaultyTransport, ManualClock, Op};
use naq_core::transport::StateStore;
use naq_core::{Clock, JobState, Timestamp};
use naq_worker::Registry;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::bench::{Bench, Do, LEASE, Script, run, secs};

const MANY: usize = 10_000;

impl Bench {
    async fn limited(&self, id: &str) {
        let job = self.client.enqueue(Script(vec![Do::Succeed])).id(id);
        job.concurrency_key("k", 1).await.expect("sent");
        self.turn().await;
    }

    async fn slot(&self) -> Option<Slot> {
        let slots = LimitKeys::new("k").and_then(|keys| keys.slots(0..1)).expect("keys");
        let found = self.broker.state_get(&slots).await.expect("an answer").remove(0);
        found.map(|entry| serde_json::from_slice(&entry.value).expect("a slot"))
    }

    async fn is_slot_taken(&self) -> bool {
        self.slot().await.is_some_and(|slot| slot.holder.is_some())
    }

    async fn cancel(&self, id: &str) {
        let key = self.report(id).await.key;
        self.client.cancel(&key, "not needed").await.expect("cancelled");
        self.turn().await;
    }
}

#[tokio::test]
async fn a_gate_with_a_permanent_error_holds_its_job_back_and_no_slot() {
    let bench = Bench::new();
    let plan = FaultPlan::new().on(Op::State, 1, u32::MAX, Fault::Refused);
    let faulty = Arc::new(FaultyTransport::new(bench.broker.clone(), plan));
    let _worker = run(bench.builder(faulty.clone()).concurrency(1));
    bench.limited("job").await;
    bench.enqueue("free", [Do::Succeed]).await;
    assert_eq!(bench.state("free").await, JobState::Completed);
    assert_eq!(bench.state("job").await, JobState::Scheduled);
    assert_eq!(bench.history("job").await, ["1:HeldBack:limit"]);
    let job = bench.report("job").await.envelope.expect("readable");
    let reason = job.history[0].reason.as_deref().unwrap_or_default();
    assert!(reason.contains("its gate failed") && reason.contains("the plan says so"), "{reason}");
    faulty.set_plan(FaultPlan::new());
    bench.pass(secs(30)).await;
    let job = bench.report("job").await;
    assert_eq!((job.state, bench.seen.starts("job")), (JobState::Completed, 1));
}

#[tokio::test]
async fn a_job_that_is_cancelled_while_its_gate_is_asked_does_not_start() {
    let (bench, steps) = (Bench::new(), Arc::new(Semaphore::new(MANY)));
    let over = FaultyTransport::in_steps(bench.broker.clone(), steps.clone());
    let _worker = run(bench.builder(Arc::new(over)));
    bench.turn().await;
    steps.forget_permits(MANY);
    bench.limited("job").await;
    bench.cancel("job").await;
    steps.add_permits(MANY);
    bench.turn().await;
    assert_eq!((bench.seen.starts("job"), bench.is_slot_taken().await), (0, false));
    assert_eq!((bench.state("job").await, bench.left().await), (JobState::Cancelled, 0));
}

#[tokio::test]
async fn a_job_that_has_to_stop_does_not_wait_for_a_gate() {
    let (bench, steps) = (Bench::new(), Arc::new(Semaphore::new(MANY)));
    let over = FaultyTransport::in_steps(bench.broker.clone(), steps.clone());
    let _worker = run(bench.builder(Arc::new(over)).concurrency(1));
    bench.turn().await;
    // From now on the broker does not answer.
    steps.forget_permits(MANY);
    bench.limited("job").await;
    bench.cancel("job").await;
    bench.pass(secs(1)).await;
    steps.add_permits(MANY);
    bench.turn().await;
    assert!(bench.slot().await.is_none(), "it was never taken: the gate is asked no longer");
    assert_eq!((bench.seen.starts("job"), bench.left().await), (0, 0));
    bench.enqueue("next", [Do::Succeed]).await;
    assert_eq!(bench.state("next").await, JobState::Completed);
}

/// A clock that panics at the next call, once the test asks for that.
#[derive(Debug, Clone)]
struct Trap(ManualClock, Arc<AtomicBool>);

impl Clock for Trap {
    fn now(&self) -> Timestamp {
        assert!(!self.1.swap(false, Ordering::SeqCst), "as the test says");
        self.0.now()
    }
}

#[tokio::test]
async fn after_a_panic_outside_the_handler_the_gates_are_left() {
    let bench = Bench::new();
    let trap = Trap(bench.clock.clone(), Arc::default());
    let registry = Registry::with_state(trap.1.clone()).raw("t", async |_: Value, cx| {
        let cx: naq_worker::Context<Arc<AtomicBool>> = cx;
        cx.state().store(cx.crashes() == 0, Ordering::SeqCst);
        Ok::<_, naq_core::Failure>(())
    });
    let broker = FaultyTransport::new(bench.broker.clone(), FaultPlan::new());
    let broker = broker.with_broker_clock(Arc::new(trap));
    let _worker = run(bench.builder_of(Arc::new(broker), registry));
    let job = bench.client.enqueue_task("t", &()).expect("a name").id("job");
    job.concurrency_key("k", 1).await.expect("sent");
    bench.turn().await;
    assert_eq!((bench.state("job").await, bench.is_slot_taken().await), (JobState::Running, false));
    bench.pass(LEASE * 2).await;
    assert_eq!(bench.state("job").await, JobState::Completed, "it came back");
}
