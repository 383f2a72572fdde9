//! Requeue: a new life for a dead job.

use std::time::Duration;

use naq_client::ClientError;
use naq_core::state::JobState;
use naq_core::transport::{Delivery, Place, Receipt, Stored, Subscription, Written};
use naq_core::wire::{AttemptOutcome, WireMessage, headers};

use crate::Subject;
use crate::case::{BRIEF, Case, LOOK};

/// Lets the next job die. Returns its delivery and its dead letter.
async fn die(case: &Case<'_>, sub: &mut Box<dyn Subscription>) -> (Delivery, Stored) {
    let delivery = case.next_delivery(sub).await;
    case.settle(&delivery, &case.dead(&delivery, "Error")).await;
    let id = delivery.stored.key.id.as_str().to_owned();
    case.expect_places(&id, &[Place::Dead]).await;
    let mut page = case.transport.dead_letters(Some(&case.queue), 0, 100).await.unwrap();
    page.letters.retain(|letter| letter.key == delivery.stored.key);
    (delivery, page.letters.remove(0))
}

pub async fn a_requeued_job_starts_a_new_life_with_its_history(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.json("a", r#"{"task":"t","args":[1.50],"attempt":4,"crashes":2,"later":[ 1 ]}"#).await;
    let (dead, letter) = die(&case, &mut sub).await;
    assert!(matches!(case.client.requeue(&letter, None).await, Ok(Receipt::Stored(_))));
    let job = case.next_delivery(&mut sub).await;
    let envelope = job.envelope().unwrap();
    assert_eq!((envelope.attempt, envelope.crashes, envelope.snoozes), (1, 0, 0));
    assert_eq!(&envelope.args.bytes()[..], b"[1.50]");
    assert_eq!(envelope.history.last().unwrap().outcome, AttemptOutcome::Requeued);
    assert_ne!(job.step().nonce, dead.step().nonce);
    assert!(
        job.stored.message.body.windows(12).any(|w| w == b"\"later\":[ 1 "),
        "unknown fields stay"
    );
    assert_eq!(case.stale(&job).await, None);
    case.complete(&job).await;
    case.expect_places("a", &[Place::Record]).await;
}

pub async fn a_body_that_cannot_be_decoded_is_requeued_byte_for_byte(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let message = WireMessage::new(b"\x00\xff not \x80 a job".to_vec().into())
        .with(headers::CONTENT_TYPE, "application/msgpack");
    case.publish_raw("a", message.clone()).await;
    let (dead, letter) = die(&case, &mut sub).await;
    assert!(letter.envelope().is_err());
    assert_eq!(letter.dead_letter().body, message.body);
    case.client.requeue(&letter, None).await.unwrap();
    let job = case.next_delivery(&mut sub).await;
    assert_eq!(job.stored.message.body, message.body);
    assert_eq!(job.stored.message.header(headers::CONTENT_TYPE), Some("application/msgpack"));
    assert_ne!(job.step().nonce, dead.step().nonce);
    // A second death makes a second letter.
    case.settle(&job, &case.dead(&job, "Error")).await;
    case.expect_places("a", &[Place::Dead]).await;
}

pub async fn a_requeue_repeated_after_a_crash_starts_one_life(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let (_, letter) = die(&case, &mut sub).await;
    let requeue = || case.client.requeue(&letter, None);
    assert!(matches!(requeue().await, Ok(Receipt::Stored(_))));
    assert_eq!(requeue().await.unwrap(), Receipt::Duplicate, "pending");
    let job = case.next_delivery(&mut sub).await;
    assert_eq!(requeue().await.unwrap(), Receipt::Duplicate, "running");
    case.settle(&job, &case.retry(&job, Duration::from_secs(60))).await;
    case.expect_places("a", &[Place::Schedule]).await;
    assert_eq!(requeue().await.unwrap(), Receipt::Duplicate, "waiting");
    case.client.retry_now(&case.key("a")).await.unwrap();
    let job = case.next_delivery(&mut sub).await;
    case.complete(&job).await;
    case.expect_places("a", &[Place::Record]).await;
    assert_eq!(requeue().await.unwrap(), Receipt::Duplicate, "done");
    case.expect_nothing(&mut sub, BRIEF).await;
}

pub async fn a_letter_that_is_gone_is_never_requeued(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.json("a", r#"{"task":"t","record_ttl_ms":1000}"#).await;
    let (_, letter) = die(&case, &mut sub).await;
    case.client.requeue(&letter, None).await.unwrap();
    let job = case.next_delivery(&mut sub).await;
    case.complete(&job).await;
    // No message of the new life is left.
    case.advance(Duration::from_secs(2)).await;
    case.expect_places("a", &[]).await;
    assert_eq!(case.client.requeue(&letter, None).await.unwrap(), Receipt::Duplicate);
    case.expect_nothing(&mut sub, BRIEF).await;
}

pub async fn a_letter_left_by_a_crashed_requeue_drops_no_job(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    // The requeue crashed after it had published the new life, and did not remove the letter.
    case.enqueue("a").await;
    let (_, letter) = die(&case, &mut sub).await;
    let body = letter.message.body.clone();
    let step = format!("r{}/1/0", letter.seq);
    let text = String::from_utf8(body.to_vec()).unwrap();
    let nonce = letter.envelope().unwrap().nonce.to_string();
    let next = text.replace(&nonce, &format!("r{}", letter.seq));
    let message = WireMessage::new(next.into_bytes().into())
        .with(headers::CONTENT_TYPE, "application/json")
        .with(headers::STEP, &step);
    case.publish_raw("a", message).await;
    case.expect_places("a", &[Place::Queue, Place::Dead]).await;
    let job = case.next_delivery(&mut sub).await;
    let again = case.next_delivery(&mut sub).await;
    assert_eq!((job.step().to_string(), case.stale(&again).await), (step, None));
    case.expect_state("a", JobState::Running).await;
    // The second requeue only removes the letter.
    assert_eq!(case.client.requeue(&letter, None).await.unwrap(), Receipt::Duplicate);
    case.complete(&again).await;
    case.expect_places("a", &[Place::Record]).await;
    case.expect_nothing(&mut sub, BRIEF).await;
}

pub async fn a_requeue_can_have_a_delay(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let (_, letter) = die(&case, &mut sub).await;
    let due_at = case.now() + LOOK;
    case.client.requeue(&letter, Some(LOOK)).await.unwrap();
    case.expect_places("a", &[Place::Schedule]).await;
    let job = case.next_delivery(&mut sub).await;
    assert!(case.now() >= due_at);
    case.complete(&job).await;
}

pub async fn a_requeue_does_not_replace_another_job_of_its_id(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.json("a", r#"{"task":"t"}"#).await;
    let (_, letter) = die(&case, &mut sub).await;
    case.json("a", r#"{"task":"t","nonce":"other"}"#).await;
    let other = case.next_delivery(&mut sub).await;
    for at in [Place::Queue, Place::Schedule] {
        case.expect_places("a", &[at, Place::Dead]).await;
        for delay in [None, Some(LOOK)] {
            let refused = case.client.requeue(&letter, delay).await;
            assert!(matches!(refused, Err(ClientError::State { .. })), "{at:?}: {refused:?}");
        }
        if at == Place::Queue {
            case.settle(&other, &case.retry(&other, LOOK)).await;
        }
    }
    let other = case.next_delivery(&mut sub).await;
    assert_eq!(other.step().nonce.as_str(), "other");
    case.complete(&other).await;
    assert!(matches!(case.client.requeue(&letter, None).await, Ok(Receipt::Stored(_))));
    let again = case.next_delivery(&mut sub).await;
    case.complete(&again).await;
    case.expect_places("a", &[Place::Record]).await;
}

pub async fn a_requeue_or_purge_removes_all_messages_of_the_dead_life(subject: &dyn Subject) {
    for requeue in [true, false] {
        let case = Case::new(subject);
        let mut sub = case.open().await;
        case.enqueue("a").await;
        // The worker that wrote record and letter crashed before the ack.
        let delivery = case.next_delivery(&mut sub).await;
        assert_eq!(case.write(&case.death_record(&delivery, "Error")).await, Written::Stored);
        assert_eq!(case.write(&case.dead(&delivery, "Error")).await, Written::Stored);
        let letters =
            async || case.transport.dead_letters(Some(&case.queue), 0, 100).await.unwrap();
        let letter = letters().await.letters.remove(0);
        case.expect_places("a", &[Place::Queue, Place::Dead, Place::Record]).await;
        if requeue {
            assert!(matches!(case.client.requeue(&letter, None).await, Ok(Receipt::Stored(_))));
            let job = case.next_delivery(&mut sub).await;
            assert_ne!(job.step().nonce, delivery.step().nonce);
            case.complete(&job).await;
        } else {
            assert!(case.client.purge_dead(&letter).await.unwrap());
        }
        case.expect_places("a", &[Place::Record]).await;
        case.lose_lease().await;
        case.expect_nothing(&mut sub, BRIEF).await;
        assert!(letters().await.letters.is_empty());
    }
}
