//! Fences: a worker that has lost its lease cannot bring a job back.

use std::time::Duration;

use naq_core::state::JobState;
use naq_core::transport::{Delivery, Place, StaleReason, Written};

use crate::Subject;
use crate::case::{BRIEF, Case};

const WAIT: Duration = Duration::from_millis(100);

/// The broker stores neither a retry nor a give-back of the late worker, and delivers nothing.
async fn cannot_bring_it_back(case: &Case<'_>, late: &Delivery) {
    assert_eq!(case.write(&case.retry(late, WAIT)).await, Written::Fenced);
    assert_eq!(case.write(&case.give_back(late)).await, Written::Fenced);
    let mut sub = case.open().await;
    case.expect_nothing(&mut sub, WAIT + 2 * BRIEF).await;
}

pub async fn a_late_worker_cannot_bring_back_a_job_that_is_done(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let late = case.next_delivery(&mut sub).await;
    let other = case.next_delivery(&mut sub).await;
    case.complete(&other).await;
    case.expect_places("a", &[Place::Record]).await;
    cannot_bring_it_back(&case, &late).await;
    case.expect_places("a", &[Place::Record]).await;
}

pub async fn a_late_worker_cannot_bring_back_a_job_that_was_purged(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let late = case.next_delivery(&mut sub).await;
    assert_eq!(case.transport.purge(&case.queue).await.unwrap(), 1);
    cannot_bring_it_back(&case, &late).await;
    case.expect_places("a", &[]).await;
}

pub async fn a_late_worker_cannot_bring_back_a_job_that_was_cancelled(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let late = case.next_delivery(&mut sub).await;
    case.client.cancel(&case.key("a"), "not needed").await.unwrap();
    cannot_bring_it_back(&case, &late).await;
    case.expect_state("a", JobState::Cancelled).await;
}

pub async fn a_late_worker_cannot_disturb_a_retry_that_has_started(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let late = case.next_delivery(&mut sub).await;
    let other = case.next_delivery(&mut sub).await;
    case.settle(&other, &case.retry(&other, Duration::ZERO)).await;
    let running = case.next_delivery(&mut sub).await;
    assert_eq!(running.envelope().unwrap().attempt, 2);
    case.write(&case.retry(&late, WAIT)).await;
    assert_eq!(case.write(&case.give_back(&late)).await, Written::Fenced);
    case.complete(&running).await;
    case.expect_nothing(&mut sub, WAIT + 2 * BRIEF).await;
    case.expect_places("a", &[Place::Record]).await;
}

pub async fn another_job_of_the_same_id_is_not_dropped(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    // Two messages on one subject, both written by hand, are two lives. Both must run.
    case.json("a", r#"{"task":"first"}"#).await;
    let first = case.next_delivery(&mut sub).await;
    case.json("a", r#"{"task":"second"}"#).await;
    assert_eq!(case.stale(&first).await, None);
    assert_eq!(case.write(&case.give_back(&first)).await, Written::Stored);
    first.handle.ack().await.unwrap();
    let mut tasks = Vec::new();
    for delivery in case.next_deliveries(&mut sub, 2).await {
        assert_eq!(case.stale(&delivery).await, None);
        tasks.push(delivery.envelope().unwrap().task.to_string());
        case.complete(&delivery).await;
    }
    tasks.sort_unstable();
    assert_eq!(tasks, ["first", "second"]);
}

pub async fn evidence_of_an_earlier_life_drops_no_job(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.json("a", r#"{"task":"t"}"#).await;
    let first = case.next_delivery(&mut sub).await;
    case.complete(&first).await;
    case.expect_places("a", &[Place::Record]).await;
    case.json("a", r#"{"task":"t"}"#).await;
    let second = case.next_delivery(&mut sub).await;
    assert_eq!(case.stale(&second).await, None, "the record is of another life");
    let again = case.next_delivery(&mut sub).await;
    assert_eq!((again.delivered, case.stale(&again).await), (2, None));
    case.expect_state("a", JobState::Running).await;
    case.write(&case.record(&again)).await;
    assert_eq!(case.stale(&again).await, Some(StaleReason::Ended));
    again.handle.ack().await.unwrap();
}

pub async fn a_late_worker_cannot_continue_a_job_that_was_given_back(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let late = case.next_delivery(&mut sub).await;
    let other = case.next_delivery(&mut sub).await;
    // The worker crashes between give-back and ack, so the subject holds two messages of one life.
    assert_eq!(case.write(&case.give_back(&other)).await, Written::Stored);
    assert_eq!(case.write(&case.retry(&late, Duration::ZERO)).await, Written::Fenced);
    case.lose_lease().await;
    for delivery in case.next_deliveries(&mut sub, 2).await {
        assert_eq!(delivery.envelope().unwrap().attempt, 1);
        match case.stale(&delivery).await {
            Some(_) => delivery.handle.ack().await.unwrap(),
            None => case.complete(&delivery).await,
        }
    }
    case.expect_places("a", &[Place::Record]).await;
}
