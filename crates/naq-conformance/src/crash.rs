//! A worker crashes between two steps: no job is lost, and no settled job runs again.

use std::time::Duration;

use naq_core::state::JobState;
use naq_core::transport::{Delivery, Place, StaleReason, Subscription};

use crate::Subject;
use crate::case::{BRIEF, Case};

/// A job, delivered to a worker that crashes before the ack.
async fn deliver(case: &Case<'_>) -> (Box<dyn Subscription>, Delivery) {
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let delivery = case.next_delivery(&mut sub).await;
    (sub, delivery)
}

/// The broker delivers the message again after the lease. The worker finds that the delivery is
/// stale, and acks it without a run.
async fn comes_back_stale(
    case: &Case<'_>,
    sub: &mut Box<dyn Subscription>,
    first: &Delivery,
    reason: StaleReason,
) {
    let again = case.next_delivery(sub).await;
    assert_eq!((again.stored.seq, again.delivered), (first.stored.seq, 2));
    assert!(again.suspect);
    assert_eq!(case.stale(&again).await, Some(reason));
    again.handle.ack().await.unwrap();
}

pub async fn a_crash_before_anything_was_written_runs_the_job_again(subject: &dyn Subject) {
    let case = Case::new(subject);
    let (mut sub, _) = deliver(&case).await;
    let again = case.next_delivery(&mut sub).await;
    assert_eq!((again.delivered, case.stale(&again).await), (2, None));
    case.complete(&again).await;
    case.expect_places("a", &[Place::Record]).await;
}

pub async fn a_crash_between_record_and_ack_ends_the_job_once(subject: &dyn Subject) {
    let case = Case::new(subject);
    let (mut sub, first) = deliver(&case).await;
    case.write(&case.record(&first)).await;
    case.expect_state("a", JobState::Completed).await; // before the ack
    comes_back_stale(&case, &mut sub, &first, StaleReason::Ended).await;
    case.expect_places("a", &[Place::Record]).await;
}

pub async fn a_crash_between_retry_and_ack_waits_once(subject: &dyn Subject) {
    let case = Case::new(subject);
    let (mut sub, first) = deliver(&case).await;
    let fact = case.retry(&first, case.lease() + Duration::from_secs(2));
    case.write(&fact).await;
    case.expect_state("a", JobState::Retrying).await; // before the ack
    comes_back_stale(&case, &mut sub, &first, StaleReason::Waiting).await;
    let second = case.next_delivery(&mut sub).await;
    assert_eq!(second.envelope().unwrap().attempt, 2);
    case.complete(&second).await;
    case.expect_places("a", &[Place::Record]).await;
    case.expect_nothing(&mut sub, BRIEF).await;
}

pub async fn a_crash_between_retry_and_ack_runs_a_due_retry_once(subject: &dyn Subject) {
    let case = Case::new(subject);
    let (mut sub, first) = deliver(&case).await;
    case.write(&case.retry(&first, Duration::ZERO)).await;
    let second = case.next_delivery(&mut sub).await;
    assert_eq!(second.envelope().unwrap().attempt, 2);
    let mut arrived = vec![case.next_delivery(&mut sub).await];
    if arrived[0].stored.seq == second.stored.seq {
        // The retry was redelivered meanwhile, because its lease was not renewed.
        arrived = vec![case.next_delivery(&mut sub).await];
    }
    assert_eq!(arrived[0].stored.seq, first.stored.seq);
    assert_eq!(case.stale(&arrived[0]).await, Some(StaleReason::Superseded));
    arrived[0].handle.ack().await.unwrap();
    case.complete(&second).await;
    case.expect_places("a", &[Place::Record]).await;
}

pub async fn a_crash_between_retry_and_ack_is_known_when_the_retry_is_done(subject: &dyn Subject) {
    let case = Case::new(subject);
    let (mut sub, first) = deliver(&case).await;
    case.write(&case.retry(&first, Duration::ZERO)).await;
    let second = case.next_delivery(&mut sub).await;
    case.complete(&second).await;
    comes_back_stale(&case, &mut sub, &first, StaleReason::Ended).await;
    case.expect_places("a", &[Place::Record]).await;
}

pub async fn a_crash_between_letter_and_ack_leaves_one_letter(subject: &dyn Subject) {
    let case = Case::new(subject);
    let (mut sub, first) = deliver(&case).await;
    case.write(&case.dead(&first, "Error")).await;
    case.expect_state("a", JobState::Dead).await; // before the ack
    comes_back_stale(&case, &mut sub, &first, StaleReason::Died).await;
    case.expect_places("a", &[Place::Dead]).await;
    let letters = case.transport.dead_letters(Some(&case.queue), 0, 10).await.unwrap().letters;
    assert_eq!(letters.len(), 1);
}

pub async fn a_crash_between_give_back_and_ack_gives_back_once(subject: &dyn Subject) {
    let case = Case::new(subject);
    let (mut sub, first) = deliver(&case).await;
    case.write(&case.give_back(&first)).await;
    let second = case.next_delivery(&mut sub).await;
    case.complete(&second).await;
    comes_back_stale(&case, &mut sub, &first, StaleReason::Ended).await;
    case.expect_places("a", &[Place::Record]).await;
}

pub async fn a_crash_between_give_back_and_ack_is_known_while_the_job_waits(subject: &dyn Subject) {
    let case = Case::new(subject);
    let (mut sub, first) = deliver(&case).await;
    case.write(&case.give_back(&first)).await;
    // Both are on the subject now: the job that was given back, and the redelivery.
    case.lose_lease().await;
    let both = case.next_deliveries(&mut sub, 2).await;
    let (old, new): (Vec<_>, Vec<_>) =
        both.into_iter().partition(|it| it.stored.seq == first.stored.seq);
    assert_eq!(case.stale(&old[0]).await, Some(StaleReason::Superseded));
    old[0].handle.ack().await.unwrap();
    assert_eq!(case.stale(&new[0]).await, None);
    case.complete(&new[0]).await;
    case.expect_places("a", &[Place::Record]).await;
}

pub async fn a_crash_of_the_worker_that_cleans_up_changes_nothing(subject: &dyn Subject) {
    let case = Case::new(subject);
    let (mut sub, first) = deliver(&case).await;
    case.write(&case.record(&first)).await;
    // The second worker finds that the delivery is stale, and crashes before the ack.
    let second = case.next_delivery(&mut sub).await;
    assert_eq!(case.stale(&second).await, Some(StaleReason::Ended));
    let third = case.next_delivery(&mut sub).await;
    assert_eq!((third.delivered, case.stale(&third).await), (3, Some(StaleReason::Ended)));
    third.handle.ack().await.unwrap();
    case.expect_places("a", &[Place::Record]).await;
}

pub async fn a_crash_between_the_record_of_a_cancel_and_its_end_leaves_it_cancelled(
    subject: &dyn Subject,
) {
    let case = Case::new(subject);
    let (mut sub, first) = deliver(&case).await;
    let waits = case.retry(&first, Duration::from_secs(60));
    case.settle(&first, &waits).await;
    case.expect_places("a", &[Place::Schedule]).await;
    case.write(&crate::cancel::cancelled(&case, "a").await).await;
    case.expect_state("a", JobState::Cancelled).await; // before the end
    // A second cancel completes the first; no message is left to run.
    case.client.cancel(&case.key("a"), "again").await.unwrap();
    case.expect_places("a", &[Place::Record]).await;
    case.expect_nothing(&mut sub, BRIEF).await;
    assert!(case.client.cancel(&case.key("a"), "and again").await.is_err());
}
