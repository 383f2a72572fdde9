//! Results that are larger than a message.

use std::sync::Arc;
use std::time::Duration;

use naq_client::WaitError;
use naq_core::JobState;
use naq_core::testing::{DiePoint, Fault, FaultPlan, FaultyTransport, Op};
use naq_core::transport::MAX_BLOB_BYTES;
use naq_worker::LargeResults;

use crate::bench::{Bench, Do, LEASE, Script, run, secs};

const LARGE: usize = 5_000_000;

#[tokio::test]
async fn a_large_result_is_stored_beside_its_record_if_the_worker_is_set_up_so() {
    let bench = Bench::new();
    let _worker = bench.start_with(|b| b.large_results(LargeResults::Store)).await;
    let job = bench.client.enqueue(Script(vec![Do::Big(LARGE)])).id("job").await.expect("sent");
    bench.turn().await;
    assert_eq!(job.wait(Duration::ZERO).await.expect("a result").len(), LARGE);
    assert_eq!(job.result().await.expect("is read").expect("a result").len(), LARGE);
    let report = bench.report("job").await;
    assert!(report.stored.message.size() < 2_000, "the record is small");
    assert_eq!(report.result_blob.expect("is elsewhere").bytes(), LARGE + 2);
    assert_eq!(bench.history("job").await, ["1:Completed:succeeded"]);
}

#[tokio::test]
async fn a_result_over_every_limit_is_a_typed_error() {
    for (large, size) in [(LargeResults::Refuse, LARGE), (LargeResults::Store, MAX_BLOB_BYTES)] {
        let bench = Bench::new();
        let _worker = bench.start_with(|b| b.large_results(large)).await;
        let job = bench.client.enqueue(Script(vec![Do::Big(size)])).id("job").await.expect("sent");
        bench.turn().await;
        let err = job.wait(Duration::ZERO).await.expect_err("too large");
        let WaitError::Dead { kind, message, .. } = &err else { panic!("{err}") };
        assert_eq!(kind.as_str(), "ResultTooLarge");
        assert!(message.contains("keep large results"), "{message}");
        assert_eq!(bench.seen.starts("job"), 1, "it would be as large the next time");
    }
}

#[tokio::test]
async fn a_crash_around_a_large_result_loses_and_doubles_nothing() {
    let points = [
        (DiePoint::Before(Op::Blob), 2),
        (DiePoint::After(Op::Blob), 2),
        (DiePoint::After(Op::Record), 1),
        (DiePoint::Before(Op::Ack), 1),
    ];
    for (point, starts) in points {
        let bench = Bench::new();
        let plan = FaultPlan::new().die_at(point, 1);
        let faulty = FaultyTransport::new(bench.broker.clone(), plan);
        let faulty = Arc::new(faulty);
        let worker = run(bench.builder(faulty.clone()).large_results(LargeResults::Store));
        bench.turn().await;
        bench.enqueue("job", [Do::Big(LARGE)]).await;
        assert_eq!(faulty.died_at(), Some(point));
        worker.kill().await;
        let _second = bench.start_with(|b| b.large_results(LargeResults::Store)).await;
        bench.pass(LEASE + secs(10)).await;
        let report = bench.report("job").await;
        assert_eq!((report.state, bench.left().await), (JobState::Completed, 0), "{point}");
        assert_eq!(report.result.expect("a result").bytes().len(), LARGE + 2, "{point}");
        assert_eq!(bench.seen.starts("job"), starts, "{point}");
    }
}

#[tokio::test]
async fn a_large_result_that_the_broker_refuses_holds_up_nothing() {
    let bench = Bench::new();
    let plan = FaultPlan::new().on(Op::Blob, 1, u32::MAX, Fault::Refused);
    let faulty = Arc::new(FaultyTransport::new(bench.broker.clone(), plan));
    let builder = bench.builder(faulty.clone()).concurrency(1);
    let _worker = run(builder.large_results(LargeResults::Store));
    bench.turn().await;
    bench.enqueue("job", [Do::Big(LARGE)]).await;
    bench.enqueue("next", [Do::Succeed]).await;
    bench.pass(secs(5)).await;
    assert_eq!(bench.state("next").await, JobState::Completed);
    let letter = bench.report("job").await.dead.expect("dead");
    assert_eq!(letter.error_kind.as_str(), "ResultTooLarge");
    assert!(letter.message.contains("the plan says so"), "{}", letter.message);
    assert_eq!(bench.left().await, 0);
}

#[tokio::test]
async fn a_record_drops_the_arguments_before_a_result_counts_as_too_large() {
    const HALF: usize = 600_000;
    let bench = Bench::new();
    let _worker = bench.start().await;
    // Arguments and result fit into a message each, but not both into one.
    let script = Script(vec![Do::Big(HALF), Do::Fail("x".repeat(HALF))]);
    let job = bench.client.enqueue(script).id("job").await.expect("sent");
    bench.turn().await;
    assert_eq!(job.wait(Duration::ZERO).await.expect("a result").len(), HALF);
    let report = bench.report("job").await;
    assert_eq!(report.state, JobState::Completed);
    assert_eq!(bench.history("job").await, ["1:Completed:succeeded"]);
    let args = report.envelope.expect("readable").args;
    assert_eq!(args.decode::<Option<Script>>().expect("null").map(|_| ()), None);
    assert_eq!(bench.left().await, 0);
}
