//! Settle: the fact first, then the ack.

use std::time::Duration;

use naq_core::state::JobState;
use naq_core::transport::{Fact, Place, Written};
use naq_core::wire::headers;

use crate::Subject;
use crate::case::{BRIEF, Case, LOOK};

const WAIT: Duration = Duration::from_secs(1);

pub async fn a_fact_is_visible_before_the_ack(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let delivery = case.next_delivery(&mut sub).await;
    assert_eq!(case.write(&case.record(&delivery)).await, Written::Stored);
    case.expect_places("a", &[Place::Queue, Place::Record]).await;
    case.expect_state("a", JobState::Completed).await;
    delivery.handle.ack().await.unwrap();
    case.expect_places("a", &[Place::Record]).await;
    case.expect_state("a", JobState::Completed).await;
}

pub async fn a_retry_waits_for_its_time_and_carries_the_rewritten_job(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let first = case.next_delivery(&mut sub).await;
    let fact = case.retry(&first, LOOK);
    let due_at = first.envelope().unwrap().due_at;
    assert_eq!(due_at, None);
    case.settle(&first, &fact).await;
    case.expect_places("a", &[Place::Schedule]).await;
    case.expect_state("a", JobState::Retrying).await;
    let second = case.next_delivery(&mut sub).await;
    let job = second.envelope().unwrap();
    assert!(case.now() >= job.due_at.unwrap());
    assert_eq!(second.stored.message.body, fact.message.body);
    assert_eq!((job.attempt, job.history.len(), job.crashes), (2, 1, 0));
    assert_eq!(job.nonce, first.envelope().unwrap().nonce, "the same life");
    assert_eq!((second.delivered, second.suspect), (1, false));
    case.complete(&second).await;
}

pub async fn a_retry_that_is_written_again_is_stored_once(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let first = case.next_delivery(&mut sub).await;
    let fact = case.retry(&first, WAIT);
    // As after a lost answer of the broker.
    assert_eq!(case.write(&fact).await, Written::Stored);
    assert_eq!(case.write(&fact).await, Written::Stored);
    first.handle.ack().await.unwrap();
    let second = case.next_delivery(&mut sub).await;
    // A slow worker writes the same retry later. The broker may answer anything, but the write has
    // no effect.
    case.write(&fact).await;
    case.complete(&second).await;
    case.write(&fact).await;
    case.expect_nothing(&mut sub, WAIT + BRIEF).await;
    case.expect_places("a", &[Place::Record]).await;
}

pub async fn records_and_letters_that_are_written_again_are_stored_once(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for name in ["a", "b"] {
        case.enqueue(name).await;
    }
    let (a, b) = (case.next_delivery(&mut sub).await, case.next_delivery(&mut sub).await);
    let record = case.record(&a);
    let letter = case.dead(&b, "Error");
    for _ in 0..3 {
        assert_eq!(case.write(&record).await, Written::Stored);
        assert_eq!(case.write(&letter).await, Written::Stored);
    }
    let letters = case.transport.dead_letters(Some(&case.queue), 0, 10).await.unwrap().letters;
    assert_eq!(letters.len(), 1);
    a.handle.ack().await.unwrap();
    b.handle.ack().await.unwrap();
    // Also by a late worker.
    assert_eq!(case.write(&record).await, Written::Stored);
    case.expect_places("a", &[Place::Record]).await;
    case.expect_places("b", &[Place::Dead]).await;
}

pub async fn a_job_given_back_counts_no_delivery(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    case.enqueue("b").await;
    let first = case.next_delivery(&mut sub).await;
    case.settle(&first, &case.give_back(&first)).await;
    let b = case.next_delivery(&mut sub).await;
    assert_eq!(b.stored.key, case.key("b"), "the other job went to the end of the queue");
    let again = case.next_delivery(&mut sub).await;
    assert_eq!(again.stored.key, case.key("a"));
    assert_eq!((again.delivered, again.suspect), (1, false));
    assert_eq!(again.envelope().unwrap(), first.envelope().unwrap());
    assert_eq!(again.stored.message.body, first.stored.message.body);
    case.expect_places("a", &[Place::Queue]).await;
    case.complete(&again).await;
    case.expect_places("a", &[Place::Record]).await;
}

pub async fn a_job_given_back_keeps_its_earlier_crashes(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    case.next_delivery(&mut sub).await;
    let second = case.next_delivery(&mut sub).await;
    let mut job = second.envelope().unwrap();
    job.crashes = 1;
    case.settle(&second, &Fact::give_back(&second.stored, Some(&job)).unwrap()).await;
    let third = case.next_delivery(&mut sub).await;
    assert_eq!((third.delivered, third.envelope().unwrap().crashes), (1, 1));
    case.complete(&third).await;
}

pub async fn a_give_back_that_is_written_again_is_stored_once(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let first = case.next_delivery(&mut sub).await;
    let fact = case.give_back(&first);
    assert_eq!(case.write(&fact).await, Written::Stored);
    assert_eq!(case.write(&fact).await, Written::Stored, "the first request stored it");
    first.handle.ack().await.unwrap();
    let second = case.next_delivery(&mut sub).await;
    assert_ne!(second.stored.seq, first.stored.seq);
    // A second time: two drains can give back the same job.
    case.settle(&second, &case.give_back(&second)).await;
    let third = case.next_delivery(&mut sub).await;
    case.complete(&third).await;
    case.write(&fact).await;
    case.expect_nothing(&mut sub, BRIEF).await;
    case.expect_places("a", &[Place::Record]).await;
}

pub async fn a_job_written_by_hand_keeps_its_life_when_it_moves(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.json("a", r#"{"task":"t"}"#).await;
    let first = case.next_delivery(&mut sub).await;
    assert_eq!(first.stored.message.header(headers::STEP), None);
    let life = first.step().nonce;
    case.settle(&first, &case.give_back(&first)).await;
    let second = case.next_delivery(&mut sub).await;
    assert_eq!(second.step().nonce, life);
    assert_eq!(second.stored.message.body, first.stored.message.body);
    case.settle(&second, &case.retry(&second, Duration::ZERO)).await;
    let third = case.next_delivery(&mut sub).await;
    assert_eq!((third.step().nonce, third.step().attempt), (life, 2));
    case.complete(&third).await;
}

pub async fn the_same_id_in_two_queues_ends_in_both(subject: &dyn Subject) {
    // Both jobs look the same: they are written by hand, and each is the first job of its queue.
    for fact in [Case::record, |case: &Case<'_>, it: &_| case.dead(it, "Error")] {
        let cases = [Case::new(subject), Case::new(subject)];
        for case in &cases {
            let mut sub = case.open().await;
            case.json("a", r#"{"task":"t"}"#).await;
            let delivery = case.next_delivery(&mut sub).await;
            case.settle(&delivery, &fact(case, &delivery)).await;
        }
        for case in &cases {
            let stored = case.transport.locate(&case.key("a")).await.unwrap();
            assert!(stored.iter().any(|s| matches!(s.place, Place::Record | Place::Dead)));
        }
    }
}
