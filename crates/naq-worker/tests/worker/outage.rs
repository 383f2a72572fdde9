//! The broker goes away, and comes back.

use std::time::Duration;

use naq_core::JobState;
use naq_core::testing::{Fault, FaultPlan, Op};
use naq_worker::NotReady;

use crate::bench::{Bench, Do, LEASE, secs};

#[tokio::test]
async fn the_worker_survives_a_long_outage() {
    let bench = Bench::new();
    let (worker, faulty) = bench.start_faulty(FaultPlan::new()).await;
    faulty.cut();
    bench.pass(secs(3600)).await;
    assert!(!worker.has_ended());
    bench.enqueue("job", [Do::Succeed]).await;
    faulty.mend();
    bench.pass(secs(2)).await;
    assert_eq!(bench.state("job").await, JobState::Completed);
}

#[tokio::test]
async fn during_an_outage_requests_are_rare() {
    let bench = Bench::new();
    let (_worker, faulty) = bench.start_faulty(FaultPlan::new()).await;
    faulty.set_plan(FaultPlan::new().on(Op::Fetch, 1, u32::MAX, Fault::Unreachable));
    bench.pass(secs(60)).await;
    let tries = faulty.calls(Op::Fetch);
    assert!((20..=80).contains(&tries), "{tries} tries in a minute");
}

#[tokio::test]
async fn a_worker_starts_before_its_broker() {
    let bench = Bench::new();
    let plan = FaultPlan::new().on(Op::Other, 1, 6, Fault::Unreachable);
    let (worker, _) = bench.start_faulty(plan).await;
    bench.enqueue("job", [Do::Succeed]).await;
    bench.pass(secs(10)).await;
    assert!(!worker.has_ended());
    assert_eq!(bench.state("job").await, JobState::Completed);
}

#[tokio::test]
async fn deliveries_that_are_lost_on_the_way_come_again() {
    let bench = Bench::new();
    let plan = FaultPlan::new().on(Op::Fetch, 1, 2, Fault::Timeout);
    let (_worker, _) = bench.start_faulty(plan).await;
    bench.enqueue("job", [Do::Succeed]).await;
    bench.pass(LEASE * 2 + Duration::from_secs(2)).await;
    assert_eq!((bench.state("job").await, bench.seen.starts("job")), (JobState::Completed, 1));
}

#[tokio::test]
async fn while_no_outcome_can_be_stored_no_more_jobs_start_than_there_are_slots() {
    let bench = Bench::new();
    let full = FaultPlan::new().on(Op::Record, 1, u32::MAX, Fault::Unreachable).on(
        Op::GiveBack,
        1,
        u32::MAX,
        Fault::Unreachable,
    );
    let (worker, faulty) = bench.start_faulty(full).await;
    let health = worker.health();
    for n in 0..30 {
        bench.enqueue(&format!("job{n}"), [Do::Succeed]).await;
    }
    for _ in 0..60 {
        bench.pass(secs(1)).await;
    }
    assert_eq!(bench.seen.total(), 10, "one job in each slot");
    assert_eq!(health.check(), Err(NotReady::Unsettled));
    faulty.set_plan(FaultPlan::new());
    for _ in 0..60 {
        bench.pass(secs(1)).await;
    }
    assert_eq!((bench.seen.total(), bench.left().await), (30, 0));
    assert_eq!(health.check(), Ok(()));
}

#[tokio::test]
async fn an_outage_that_begins_while_jobs_run_stops_the_next_ones() {
    let bench = Bench::new();
    let (_worker, faulty) = bench.start_faulty(FaultPlan::new()).await;
    for n in 0..50 {
        bench.enqueue(&format!("before{n}"), [Do::Succeed]).await;
    }
    assert_eq!(bench.seen.total(), 50);
    faulty.set_plan(FaultPlan::new().on(Op::Record, 1, u32::MAX, Fault::Unreachable));
    bench.enqueue("first", [Do::Succeed]).await;
    bench.pass(secs(20)).await;
    for n in 0..50 {
        bench.enqueue(&format!("after{n}"), [Do::Succeed]).await;
    }
    bench.pass(secs(5)).await;
    assert_eq!(bench.seen.total(), 60, "one job in each slot");
}
