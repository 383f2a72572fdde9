//! Cancel, in every state of a job.

use std::time::Duration;

use naq_client::ClientError;
use naq_core::state::JobState;
use naq_core::transport::{Fact, Place, Signal, StaleReason};
use naq_core::wire::FinalRecord;

use crate::Subject;
use crate::case::{BRIEF, Case};

/// The record that a cancel writes as its first step.
pub(crate) async fn cancelled(case: &Case<'_>, id: &str) -> Fact {
    let report = case.client.report(&case.key(id)).await.unwrap();
    let record = FinalRecord {
        envelope: report.envelope.unwrap(),
        state: JobState::Cancelled,
        finished_at: case.now(),
        result: None,
    };
    Fact::record(&report.stored, &record).unwrap().unwrap()
}

pub async fn a_pending_job_that_is_cancelled_never_starts(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    // The queue is paused, so that the job stays pending.
    case.transport.pause(&case.queue, case.now() + Duration::from_secs(60)).await.unwrap();
    case.enqueue("a").await;
    let report = case.client.cancel(&case.key("a"), "not needed").await.unwrap();
    assert_eq!(report.state, JobState::Cancelled);
    let last = report.envelope.unwrap().history.pop().unwrap();
    assert_eq!(last.reason.as_deref(), Some("not needed"));
    case.transport.resume(&case.queue).await.unwrap();
    case.expect_nothing(&mut sub, BRIEF).await;
    case.expect_places("a", &[Place::Record]).await;
}

pub async fn a_waiting_job_that_is_cancelled_never_starts(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let wait = Duration::from_millis(500);
    case.enqueue_in("a", wait).await;
    case.client.cancel(&case.key("a"), "not needed").await.unwrap();
    case.expect_nothing(&mut sub, wait + BRIEF).await;
    case.expect_places("a", &[Place::Record]).await;
    case.expect_state("a", JobState::Cancelled).await;
}

pub async fn a_running_job_that_is_cancelled_is_signalled_and_not_redelivered(
    subject: &dyn Subject,
) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let mut signals = case.transport.signals().await.unwrap();
    case.enqueue("a").await;
    let running = case.next_delivery(&mut sub).await;
    case.client.cancel(&case.key("a"), "not needed").await.unwrap();
    let nonce = Some(running.step().nonce.to_string());
    let expected = Signal::Cancel { queue: case.queue.clone(), id: case.key("a").id, nonce };
    // Skips the signals of other tests.
    while signals.next().await.unwrap() != expected {}
    assert_eq!(case.stale(&running).await, Some(StaleReason::Ended));
    running.handle.ack().await.unwrap();
    case.expect_nothing(&mut sub, case.lease() + BRIEF).await;
    case.expect_state("a", JobState::Cancelled).await;
}

pub async fn an_ended_or_unknown_job_cannot_be_cancelled(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let refused = case.client.cancel(&case.key("a"), "").await;
    assert!(matches!(refused, Err(ClientError::NoJob(_))), "{refused:?}");
    case.enqueue("a").await;
    let delivery = case.next_delivery(&mut sub).await;
    case.complete(&delivery).await;
    case.expect_places("a", &[Place::Record]).await;
    let refused = case.client.cancel(&case.key("a"), "").await;
    assert!(matches!(refused, Err(ClientError::State { .. })), "{refused:?}");
    case.expect_state("a", JobState::Completed).await;
}
