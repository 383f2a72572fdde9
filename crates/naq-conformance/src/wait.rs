//! Wait for the end of a job.

use std::pin::pin;
use std::time::Duration;

use naq_client::WaitError;
use naq_core::state::JobState;
use naq_core::transport::{Fact, Written};
use naq_core::wire::FinalRecord;
use tokio::task::JoinSet;

use crate::Subject;
use crate::case::{AnyJobHandle, Case};

/// Waits let time pass in steps of this.
const STEP: Duration = Duration::from_millis(50);
/// Longer than any of these tests takes.
const LONG: Duration = Duration::from_secs(60);
/// A notification arrives within this time. A wait without a notification reads the job later than
/// that.
const NOTIFIED: Duration = Duration::from_millis(1500);

/// Lets time pass until `work` is done. Returns its output and the time that it took.
async fn advance_until<T>(case: &Case<'_>, work: impl Future<Output = T>) -> (T, Duration) {
    let (mut work, began) = (pin!(work), case.now());
    loop {
        tokio::select! {
            biased;
            done = &mut work => return (done, case.now().since(began)),
            () = case.advance(STEP) => {}
        }
    }
}

async fn wait(case: &Case<'_>, job: &AnyJobHandle) -> Result<serde_json::Value, WaitError> {
    advance_until(case, job.wait(LONG)).await.0
}

pub async fn a_wait_is_notified_of_the_end_and_returns_the_result(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let job = case.enqueue("a").await;
    let delivery = case.next_delivery(&mut sub).await;
    let waiting = tokio::spawn({
        let job = job.clone();
        async move { job.wait(LONG).await }
    });
    case.advance(STEP * 4).await;
    assert!(!waiting.is_finished());
    case.complete(&delivery).await;
    let (result, took) = advance_until(&case, waiting).await;
    assert_eq!(result.unwrap().unwrap(), "done");
    assert!(took < NOTIFIED, "the wait ended by a read, not by the notification: {took:?}");
    // A late call does not wait.
    let (result, took) = advance_until(&case, job.wait(Duration::ZERO)).await;
    assert_eq!(result.unwrap(), "done");
    assert!(took < NOTIFIED, "{took:?}");
}

pub async fn a_wait_continues_over_a_retry_and_a_lost_lease(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let job = case.enqueue("a").await;
    let waiting = tokio::spawn({
        let job = job.clone();
        async move { job.wait(LONG).await }
    });
    let delivery = case.next_delivery(&mut sub).await;
    case.settle(&delivery, &case.retry(&delivery, Duration::from_millis(500))).await;
    case.next_delivery(&mut sub).await;
    case.lose_lease().await;
    let last = case.next_delivery(&mut sub).await;
    assert!(!waiting.is_finished());
    case.complete(&last).await;
    assert_eq!(advance_until(&case, waiting).await.0.unwrap().unwrap(), "done");
}

pub async fn a_wait_reports_every_end_but_completed(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let dead = case.enqueue("dead").await;
    let delivery = case.next_delivery(&mut sub).await;
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
    let delivery = case.next_delivery(&mut sub).await;
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

pub async fn a_wait_that_times_out_reports_the_jobs_state(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let job = case.enqueue("a").await;
    let timeout = Duration::from_millis(300);
    let (err, took) = advance_until(&case, job.wait(timeout)).await;
    let err = err.unwrap_err();
    assert!(
        matches!(err, WaitError::TimedOut { state: JobState::Pending, after, .. } if after == timeout),
        "{err}"
    );
    assert!(took >= timeout, "{took:?}");
    case.next_delivery(&mut sub).await;
    let err = advance_until(&case, job.wait(timeout)).await.0.unwrap_err();
    assert!(matches!(err, WaitError::TimedOut { state: JobState::Running, .. }), "{err}");
}

pub async fn a_wait_for_an_unknown_job_reports_no_record(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let (err, took) = advance_until(&case, case.client.wait(&case.key("never"), LONG)).await;
    assert!(matches!(err, Err(WaitError::NoRecord { .. })), "{err:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    // A job that keeps no record.
    let job = case.client.enqueue_task("task", &()).unwrap().id("a").record_ttl(Duration::ZERO);
    let job = job.await.unwrap();
    case.next_delivery(&mut sub).await.handle.ack().await.unwrap();
    let err = wait(&case, &job).await.unwrap_err();
    assert!(matches!(err, WaitError::NoRecord { .. }), "{err}");
}

pub async fn a_wait_ignores_the_end_of_an_earlier_job_of_its_id(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let first = case.enqueue("a").await;
    let delivery = case.next_delivery(&mut sub).await;
    case.complete(&delivery).await;
    assert_eq!(wait(&case, &first).await.unwrap(), "done");
    // Another job of the same id, which keeps no record. It is written by hand, because the broker
    // refuses the id from a client for a while.
    case.json("a", r#"{"task":"t","record_ttl_ms":0}"#).await;
    case.next_delivery(&mut sub).await.handle.ack().await.unwrap();
    assert_eq!(wait(&case, &first).await.unwrap(), "done");
    // The handle of the enqueue waits for the new life of a requeue as well.
    let second = case.enqueue("b").await;
    let delivery = case.next_delivery(&mut sub).await;
    case.settle(&delivery, &case.dead(&delivery, "Error")).await;
    let letter = case.client.report(&case.key("b")).await.unwrap().stored;
    case.client.requeue(&letter, None).await.unwrap();
    let delivery = case.next_delivery(&mut sub).await;
    let (result, ()) = tokio::join!(advance_until(&case, second.wait(LONG)), async {
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
    for delivery in case.next_deliveries(&mut sub, 100).await {
        case.complete(&delivery).await;
    }
    let (results, _) = advance_until(&case, waits.join_all()).await;
    assert_eq!(results.len(), 100);
}
