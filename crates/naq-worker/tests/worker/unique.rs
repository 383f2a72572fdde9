//! Unique keys: a worker frees the key of its job in time, and no crash holds a key for ever.

use naq_client::{Enqueue, JobHandle};
use naq_core::JobState;
use naq_core::testing::{DiePoint, Fault, FaultPlan, Op};
use naq_core::transport::{StateKey, StateStore};

use crate::bench::{Bench, Do, LEASE, Script, secs};

const KEY: &str = "order-2317";

fn job<'a>(bench: &'a Bench, id: &str, script: &[Do]) -> Enqueue<'a, String> {
    bench.client.enqueue(Script(script.to_vec())).id(id).retry_delay(secs(60))
}

async fn is_noted(bench: &Bench) -> bool {
    let key = StateKey::new(["key", "default", KEY]).expect("a key");
    bench.broker.state_get(&[key]).await.expect("an answer")[0].is_some()
}

async fn sent(enqueue: Enqueue<'_, String>) -> JobHandle<String> {
    enqueue.await.expect("sent")
}

#[tokio::test]
async fn a_key_is_free_after_any_end_of_its_job() {
    let fail = || Do::Fail("Error".into());
    for (script, ends) in [
        (vec![Do::Succeed], JobState::Completed),
        (vec![fail(), Do::Snooze(30), Do::Succeed], JobState::Completed),
        (vec![Do::Fatal], JobState::Dead),
        (vec![Do::Cancel], JobState::Cancelled),
    ] {
        let bench = Bench::new();
        let _worker = bench.start().await;
        sent(job(&bench, "job", &script).unique(KEY).delay(secs(60))).await;
        for _ in 0..6 {
            let state = bench.state("job").await;
            assert_eq!(is_noted(&bench).await, !state.is_final(), "{state} {script:?}");
            bench.pass(secs(30)).await;
        }
        assert_eq!((bench.state("job").await, is_noted(&bench).await), (ends, false), "{script:?}");
    }
}

#[tokio::test]
async fn an_expired_job_frees_its_key() {
    let bench = Bench::new();
    sent(job(&bench, "job", &[Do::Succeed]).unique(KEY).expires_in(secs(30))).await;
    bench.pass(secs(31)).await;
    assert!(is_noted(&bench).await);
    let _worker = bench.start().await;
    assert_eq!((bench.state("job").await, is_noted(&bench).await), (JobState::Expired, false));
}

#[tokio::test]
async fn a_running_job_holds_or_frees_its_key_as_its_scope_says() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    sent(job(&bench, "until-finished", &[Do::Gate]).unique("a")).await;
    sent(job(&bench, "until-started", &[Do::Gate]).unique_until_started("b")).await;
    bench.turn().await;
    assert_eq!(bench.seen.total(), 2);
    let held = sent(job(&bench, "x", &[Do::Succeed]).unique("a")).await;
    assert_eq!(held.held_by().map(ToString::to_string).as_deref(), Some("default/until-finished"));
    let next = sent(job(&bench, "y", &[Do::Succeed]).unique_until_started("b")).await;
    assert!(!next.is_duplicate());
}

#[tokio::test]
async fn a_job_that_has_started_does_not_take_its_key_back_for_a_retry() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    let script = [Do::Fail("Error".into()), Do::Succeed];
    sent(job(&bench, "first", &script).unique_until_started(KEY)).await;
    bench.turn().await;
    assert_eq!(bench.state("first").await, JobState::Retrying);
    let second = sent(job(&bench, "second", &script).unique_until_started(KEY).delay(secs(600)));
    assert!(!second.await.is_duplicate());
    bench.pass(secs(60)).await;
    assert_eq!(bench.state("first").await, JobState::Completed);
    assert!(is_noted(&bench).await, "it is the second one's");
}

#[tokio::test]
async fn a_cancelled_job_frees_its_key_even_while_it_runs() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    sent(job(&bench, "job", &[Do::Hang { heed: true }]).unique(KEY)).await;
    bench.turn().await;
    let key = bench.report("job").await.key;
    bench.client.cancel(&key, "not needed").await.expect("cancelled");
    assert!(!is_noted(&bench).await);
    assert!(!sent(job(&bench, "next", &[Do::Succeed]).unique(KEY)).await.is_duplicate());
}

#[tokio::test]
async fn wherever_a_worker_dies_the_key_is_free_when_the_job_has_ended() {
    for point in [
        DiePoint::Before(Op::Record),
        DiePoint::After(Op::Record),
        DiePoint::Before(Op::State),
        DiePoint::After(Op::State),
        DiePoint::Before(Op::Ack),
        DiePoint::After(Op::Ack),
    ] {
        let bench = Bench::new();
        let (worker, faulty) = bench.start_faulty(FaultPlan::new().die_at(point, 1)).await;
        sent(job(&bench, "job", &[Do::Succeed]).unique(KEY)).await;
        bench.turn().await;
        assert_eq!(faulty.died_at(), Some(point));
        worker.kill().await;
        let ended = bench.state("job").await.is_final();
        // The next job with the key can be enqueued without a cleanup.
        let next = sent(job(&bench, "next", &[Do::Succeed]).unique(KEY).delay(secs(600))).await;
        assert_eq!(next.is_duplicate(), !ended, "{point}");

        let _second = bench.start().await;
        bench.pass(LEASE + secs(1)).await;
        assert_eq!(bench.state("job").await, JobState::Completed, "{point}");
        assert_eq!(is_noted(&bench).await, ended, "{point}: only the next one's");
        assert!(
            ended || !sent(job(&bench, "next", &[Do::Succeed]).unique(KEY)).await.is_duplicate()
        );
    }
}

#[tokio::test]
async fn a_crash_at_the_start_of_a_job_holds_no_key_beyond_its_next_start() {
    for point in [DiePoint::Before(Op::State), DiePoint::After(Op::State)] {
        let bench = Bench::new();
        let (worker, faulty) = bench.start_faulty(FaultPlan::new().die_at(point, 1)).await;
        sent(job(&bench, "job", &[Do::Succeed]).unique_until_started(KEY)).await;
        bench.turn().await;
        assert_eq!((faulty.died_at(), bench.seen.total()), (Some(point), 0));
        worker.kill().await;
        let _second = bench.start().await;
        bench.pass(LEASE + secs(1)).await;
        assert_eq!(
            (bench.state("job").await, is_noted(&bench).await),
            (JobState::Completed, false)
        );
    }
}

#[tokio::test]
async fn a_job_does_not_start_while_its_key_cannot_be_freed() {
    let bench = Bench::new();
    let plan = FaultPlan::new().on(Op::State, 1, 3, Fault::Unreachable);
    let (_worker, faulty) = bench.start_faulty(plan).await;
    sent(job(&bench, "job", &[Do::Succeed]).unique_until_started(KEY)).await;
    bench.turn().await;
    assert_eq!(bench.seen.total(), 0);
    bench.pass(secs(5)).await;
    assert_eq!((bench.seen.total(), faulty.calls(Op::State)), (1, 4));
    assert!(!is_noted(&bench).await);
}

#[tokio::test]
async fn a_key_that_cannot_be_freed_now_is_free_for_the_next() {
    let bench = Bench::new();
    let plan = FaultPlan::new().on(Op::State, 1, 9, Fault::Unreachable);
    let (_worker, _faulty) = bench.start_faulty(plan).await;
    sent(job(&bench, "job", &[Do::Succeed]).unique(KEY)).await;
    bench.turn().await;
    assert_eq!((bench.state("job").await, is_noted(&bench).await), (JobState::Completed, true));
    assert!(!sent(job(&bench, "next", &[Do::Succeed]).unique(KEY)).await.is_duplicate());
}

#[tokio::test]
async fn a_job_without_a_key_costs_no_request() {
    let bench = Bench::new();
    let (_worker, faulty) = bench.start_faulty(FaultPlan::new()).await;
    bench.enqueue("job", [Do::Succeed]).await;
    assert_eq!((bench.state("job").await, faulty.calls(Op::State)), (JobState::Completed, 0));
}
