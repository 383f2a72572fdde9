//! Waiting for the end of a job.

use std::pin::pin;
use std::time::Duration;

use naq_client::{JobHandle, WaitError};
use naq_core::state::JobState;
use naq_core::transport::{Fact, Written};
use naq_core::wire::FinalRecord;
use tokio::task::JoinSet;

use crate::Subject;
use crate::case::Case;

/// Time passes in steps of this.
const STEP: Duration = Duration::from_millis(50);
/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);
/// What is told is told within this; a look by itself comes later.
const TOLD: Duration = Duration::from_millis(1500);

type Handle = JobHandle<serde_json::Value>;

/// Lets time pass until `work` is done; says how long that took, too.
async fn pass_until<T>(case: &Case<'_>, work: impl Future<Output = T>) -> (T, Duration) {
    let (mut work, began) = (pin!(work), case.now());
    loop {
        tokio::select! {
            biased;
            done = &mut work => return (done, case.now().since(began)),
            () = case.pass(STEP) => {}
        }
    }
}

async fn wait(case: &Case<'_>, job: &Handle) -> Result<serde_json::Value, WaitError> {
    pass_until(case, job.wait(LONG)).await.0
}

pub async fn a_wait_is_told_of_the_end_and_gives_the_result(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let job = case.enqueue("a").await;
    let delivery = case.one(&mut sub).await;
    let waiting = tokio::spawn({
        let job = job.clone();
        async move { job.wait(LONG).await }
    });
    case.pass(STEP * 4).await;
    assert!(!waiting.is_finished());
    case.complete(&delivery).await;
    let (result, took) = pass_until(&case, waiting).await;
    assert_eq!(result.unwrap().unwrap(), "done");
    assert!(took < TOLD, "told, not found out: {took:?}");
    // Who comes late does not wait.
    let (result, took) = pass_until(&case, job.wait(Duration::ZERO)).await;
    assert_eq!(result.unwrap(), "done");
    assert!(took < TOLD, "{took:?}");
}

pub async fn a_wait_goes_on_over_a_retry_and_a_lost_lease(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let job = case.enqueue("a").await;
    let waiting = tokio::spawn({
        let job = job.clone();
        async move { job.wait(LONG).await }
    });
    let delivery = case.one(&mut sub).await;
    case.settle(&delivery, &case.retry(&delivery, Duration::from_millis(500))).await;
    case.one(&mut sub).await;
    case.lose_lease().await;
    let last = case.one(&mut sub).await;
    assert!(!waiting.is_finished());
    case.complete(&last).await;
    assert_eq!(pass_until(&case, waiting).await.0.unwrap().unwrap(), "done");
}

pub async fn a_wait_says_how_else_a_job_ended(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let dead = case.enqueue("dead").await;
    let delivery = case.one(&mut sub).await;
    case.settle(&delivery, &case.dead(&delivery, "ValueError")).await;
    let err = wait(&case, &dead).await.unwrap_err();
    let WaitError::Dead { kind, message, .. } = &err else { panic!("{err}") };
    assert_eq!((kind.as_str(), message.as_str()), ("ValueError", "went wrong"));
    assert!(err.to_string().contains("job dead is dead: ValueError: went wrong; requeue"), "{err}");

    let cancelled = case.enqueue("cancelled").await;
    case.client.cancel(&case.key("cancelled"), "not needed").await.unwrap();
    let err = wait(&case, &cancelled).await.unwrap_err();
    assert!(matches!(&err, WaitError::Cancelled { reason, .. } if reason == "not needed"), "{err}");

    let expired = case.enqueue("expired").await;
    let delivery = case.one(&mut sub).await;
    let record = FinalRecord {
        envelope: delivery.envelope().unwrap(),
        state: JobState::Expired,
        finished_at: case.now(),
        result: None,
    };
    case.settle(&delivery, &Fact::record(&delivery.stored, &record).unwrap().unwrap()).await;
    let err = wait(&case, &expired).await.unwrap_err();
    assert!(matches!(err, WaitError::Expired { .. }), "{err}");
}

pub async fn a_wait_that_takes_too_long_says_where_the_job_stands(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let job = case.enqueue("a").await;
    let timeout = Duration::from_millis(300);
    let (err, took) = pass_until(&case, job.wait(timeout)).await;
    let err = err.unwrap_err();
    assert!(
        matches!(err, WaitError::TimedOut { state: JobState::Pending, after, .. } if after == timeout),
        "{err}"
    );
    assert!(took >= timeout, "{took:?}");
    case.one(&mut sub).await;
    let err = pass_until(&case, job.wait(timeout)).await.0.unwrap_err();
    assert!(matches!(err, WaitError::TimedOut { state: JobState::Running, .. }), "{err}");
}

pub async fn a_wait_for_what_is_unknown_says_so(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let (err, took) = pass_until(&case, case.client.wait(&case.key("never"), LONG)).await;
    assert!(matches!(err, Err(WaitError::NoRecord { .. })), "{err:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    // A job that keeps no record.
    let job = case.client.enqueue_task("task", &()).unwrap().id("a").record_ttl(Duration::ZERO);
    let job = job.await.unwrap();
    case.one(&mut sub).await.handle.ack().await.unwrap();
    let err = wait(&case, &job).await.unwrap_err();
    assert!(matches!(err, WaitError::NoRecord { .. }), "{err}");
}

pub async fn a_wait_takes_no_earlier_jobs_end_for_that_of_its_own(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let first = case.enqueue("a").await;
    let delivery = case.one(&mut sub).await;
    case.complete(&delivery).await;
    assert_eq!(wait(&case, &first).await.unwrap(), "done");
    // Another job of the same id, whose end leaves no record of its own. It is written by hand,
    // since the broker knows the id for a while.
    case.json("a", r#"{"task":"t","record_ttl_ms":0}"#).await;
    case.one(&mut sub).await.handle.ack().await.unwrap();
    assert_eq!(wait(&case, &first).await.unwrap(), "done");
    // A requeue goes on with the job that was enqueued, also for its handle.
    let second = case.enqueue("b").await;
    let delivery = case.one(&mut sub).await;
    case.settle(&delivery, &case.dead(&delivery, "Error")).await;
    let letter = case.client.report(&case.key("b")).await.unwrap().stored;
    case.client.requeue(&letter, None).await.unwrap();
    let delivery = case.one(&mut sub).await;
    let (result, ()) = tokio::join!(pass_until(&case, second.wait(LONG)), async {
        assert_eq!(case.write(&case.record(&delivery)).await, Written::Stored);
        delivery.handle.ack().await.unwrap();
    });
    assert_eq!(result.0.unwrap(), "done");
}

pub async fn many_wait_at_once(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let mut waits = JoinSet::new();
    for n in 0..100 {
        let job = case.enqueue(&format!("j{n}")).await;
        waits.spawn(async move { job.wait(LONG).await.unwrap() });
    }
    for delivery in case.many(&mut sub, 100).await {
        case.complete(&delivery).await;
    }
    let (results, took) = pass_until(&case, waits.join_all()).await;
    assert_eq!(results.len(), 100);
    assert!(took < TOLD, "{took:?}");
}
