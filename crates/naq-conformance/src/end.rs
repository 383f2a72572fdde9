//! A life ends once: the first record of a job counts, and its writer learns that other jobs wait for
//! the end.

use std::time::Duration;

use naq_client::ClientError;
use naq_core::retry::Rule;
use naq_core::state::JobState;
use naq_core::transport::{
    AWAITED_RECORD_TTL, Awaiting, Delivery, Evidence, Fact, Place, StaleReason, Unfinished, Written,
};
use naq_core::wire::{FinalRecord, Nonce};

use crate::Subject;
use crate::cancel::cancelled;
use crate::case::{BRIEF, Case};

/// Makes the record of an end.
type RecordFact = fn(&Case<'_>, &Delivery) -> Fact;

/// The ends that a job can have, and their records.
const ENDS: [(JobState, RecordFact); 4] = [
    (JobState::Completed, |case, delivery| case.record(delivery)),
    (JobState::Dead, |case, delivery| case.death_record(delivery, "Error")),
    (JobState::Cancelled, |case, delivery| ended(case, delivery, JobState::Cancelled)),
    (JobState::Expired, |case, delivery| ended(case, delivery, JobState::Expired)),
];

fn ended(case: &Case<'_>, delivery: &Delivery, state: JobState) -> Fact {
    let envelope = delivery.envelope().unwrap();
    let record = FinalRecord { envelope, state, finished_at: case.now(), result: None };
    Fact::record(&delivery.stored, &record).unwrap().unwrap()
}

pub async fn of_two_ends_the_first_one_counts(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for (first, one) in ENDS {
        for (second, other) in ENDS.iter().filter(|(state, _)| *state != first) {
            let id = format!("{first}-{second}");
            case.enqueue(&id).await;
            let delivery = case.next_delivery(&mut sub).await;
            let (one, other) = (one(&case, &delivery), other(&case, &delivery));
            assert_eq!(case.write(&one).await, Written::Stored);
            assert_eq!(case.write(&other).await, Written::Ended, "{second} after {first}");
            assert_eq!(
                case.write(&one).await,
                Written::Stored,
                "as after a lost answer of the broker"
            );
            delivery.handle.ack().await.unwrap();
            case.expect_places(&id, &[Place::Record]).await;
            case.expect_state(&id, first).await;
        }
    }
}

pub async fn an_ended_job_cannot_be_cancelled_and_a_cancelled_job_cannot_end(
    subject: &dyn Subject,
) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for (state, record) in ENDS {
        // Before the cancel: the message is in the queue until the ack.
        let id = format!("{state}-first");
        case.enqueue(&id).await;
        let delivery = case.next_delivery(&mut sub).await;
        assert_eq!(case.write(&record(&case, &delivery)).await, Written::Stored);
        if state != JobState::Cancelled {
            let refused = case.client.cancel(&case.key(&id), "").await;
            let is_state =
                matches!(&refused, Err(ClientError::State { state: s, .. }) if *s == state);
            assert!(is_state, "{state}: {refused:?}");
            case.expect_state(&id, state).await;
        }
        delivery.handle.ack().await.unwrap();
        // After the cancel.
        let id = format!("{state}-second");
        case.enqueue(&id).await;
        let delivery = case.next_delivery(&mut sub).await;
        case.client.cancel(&case.key(&id), "not needed").await.unwrap();
        assert_eq!(case.write(&record(&case, &delivery)).await, Written::Ended, "{state}");
        case.expect_places(&id, &[Place::Record]).await;
        case.expect_state(&id, JobState::Cancelled).await;
    }
    case.expect_nothing(&mut sub, BRIEF).await;
}

pub async fn of_an_end_and_a_cancel_at_the_same_time_one_counts(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for n in 0..50 {
        let (state, record) = ENDS[n % 2];
        let id = format!("job-{n}");
        case.enqueue(&id).await;
        let delivery = case.next_delivery(&mut sub).await;
        let record = record(&case, &delivery);
        let cancel = cancelled(&case, &id).await;
        let (end, cancel) = tokio::join!(case.write(&record), case.write(&cancel));
        let ends = match (end, cancel) {
            (Written::Stored, Written::Ended) => state,
            (Written::Ended, Written::Stored) => JobState::Cancelled,
            both => panic!("{both:?}"),
        };
        delivery.handle.ack().await.unwrap();
        case.expect_state(&id, ends).await;
    }
}

pub async fn of_two_workers_that_end_a_job_the_first_one_counts(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let late = case.next_delivery(&mut sub).await;
    let other = case.next_delivery(&mut sub).await;
    assert_eq!(case.write(&case.record(&other)).await, Written::Stored);
    let record = async || {
        let found = case.transport.locate(&case.key("a")).await.unwrap();
        found.into_iter().find(|it| it.place == Place::Record).unwrap()
    };
    let first = record().await;
    case.advance(Duration::from_millis(10)).await;
    for (state, record) in ENDS {
        assert_eq!(case.write(&record(&case, &late)).await, Written::Ended, "{state}");
    }
    other.handle.ack().await.unwrap();
    case.expect_places("a", &[Place::Record]).await;
    let last = record().await;
    assert_eq!((last.seq, last.message.body), (first.seq, first.message.body));
}

/// The record is stored before the delivery is acked, and the queue is read before the records.
pub async fn a_job_that_ends_is_found_in_one_place_or_another(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let names: Vec<String> = (0..150).map(|n| format!("job-{n}")).collect();
    for name in &names {
        case.enqueue(name).await;
    }
    let keys: Vec<_> = names.iter().map(|name| case.key(name)).collect();
    let deliveries = case.next_deliveries(&mut sub, names.len()).await;
    let ending = async {
        for delivery in &deliveries {
            case.complete(delivery).await;
            tokio::task::yield_now().await;
        }
    };
    let looking = async {
        loop {
            let found = case.transport.evidence(&keys).await.unwrap();
            let missing = found.iter().position(Vec::is_empty);
            assert_eq!(missing, None, "{:?} is nowhere", missing.map(|index| &keys[index]));
            let is_ended = |it: &Vec<Evidence>| it.iter().any(|it| it.place == Place::Record);
            if found.iter().all(is_ended) {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(ending, looking);
}

pub async fn a_job_is_dead_when_its_record_is_stored_and_its_letter_follows(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.json("a", r#"{"task":"t","record_ttl_ms":0}"#).await;
    let delivery = case.next_delivery(&mut sub).await;
    assert_eq!(case.write(&case.death_record(&delivery, "HTTPError.503")).await, Written::Stored);
    let report = case.client.report(&case.key("a")).await.unwrap();
    assert_eq!((report.state, report.stored.place), (JobState::Dead, Place::Record));
    // The next worker finds all that the letter needs.
    let keys = [case.key("a")];
    let life = delivery.step().nonce;
    let evidence = case.transport.evidence(&keys).await.unwrap().remove(0);
    assert_eq!(Unfinished::of(&life, &evidence), Unfinished { letter: true, wake: false });
    assert_eq!(case.stale(&delivery).await, Some(StaleReason::Died));
    let letter = report.stored.letter_of_record(&delivery.stored.message).unwrap();
    assert_eq!((letter.error_kind.as_str(), letter.rule), ("HTTPError.503", Rule::MaxRetries));
    assert_eq!(
        (letter.step.clone(), letter.body.len()),
        (delivery.step(), delivery.stored.message.body.len())
    );
    // Both workers write the same letter.
    for letter in [Fact::dead(&delivery.stored, &letter), case.dead(&delivery, "HTTPError.503")] {
        assert_eq!(case.write(&letter).await, Written::Stored);
    }
    delivery.handle.ack().await.unwrap();
    case.expect_places("a", &[Place::Dead, Place::Record]).await;
    let letters = case.transport.dead_letters(Some(&case.queue), 0, 10).await.unwrap().letters;
    assert_eq!(letters.len(), 1);
    let evidence = case.transport.evidence(&keys).await.unwrap().remove(0);
    assert!(Unfinished::of(&life, &evidence).is_nothing());
    let report = case.client.report(&case.key("a")).await.unwrap();
    assert_eq!(
        (report.state, report.stored.place),
        (JobState::Dead, Place::Dead),
        "the letter, which can be requeued"
    );
}

pub async fn the_record_of_a_death_does_not_affect_the_next_life(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let delivery = case.next_delivery(&mut sub).await;
    case.write(&case.death_record(&delivery, "Error")).await;
    case.settle(&delivery, &case.dead(&delivery, "Error")).await;
    case.expect_places("a", &[Place::Dead, Place::Record]).await;
    let letter = case.client.report(&case.key("a")).await.unwrap().stored;
    case.client.requeue(&letter, None).await.unwrap();
    case.expect_state("a", JobState::Pending).await;
    let again = case.next_delivery(&mut sub).await;
    assert_eq!(case.stale(&again).await, None);
    assert_eq!(
        case.write(&case.record(&again)).await,
        Written::Stored,
        "it replaces the record of the death"
    );
    again.handle.ack().await.unwrap();
    case.expect_places("a", &[Place::Record]).await;
    case.expect_state("a", JobState::Completed).await;
}

pub async fn the_writer_of_an_awaited_end_learns_that_others_wait(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let delivery = case.next_delivery(&mut sub).await;
    let life = delivery.step().nonce;
    for _ in 0..2 {
        let answer = case.transport.await_end(&case.key("a"), &life).await.unwrap();
        assert_eq!(answer, Awaiting::Marked);
    }
    let record = case.record(&delivery);
    assert_eq!(case.write(&record).await, Written::Awaited);
    assert_eq!(case.write(&record).await, Written::Awaited, "as after a lost answer of the broker");
    delivery.handle.ack().await.unwrap();
    case.expect_places("a", &[Place::Record]).await;
    let stored = case.transport.locate(&case.key("a")).await.unwrap().remove(0);
    assert!(stored.message.is_awaited() && stored.record().is_ok());
}

pub async fn awaiting_an_end_that_has_happened_returns_its_record(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let delivery = case.next_delivery(&mut sub).await;
    case.complete(&delivery).await;
    case.expect_places("a", &[Place::Record]).await;
    let awaiting = case.transport.await_end(&case.key("a"), &delivery.step().nonce).await.unwrap();
    let Awaiting::Ended(stored) = awaiting else { panic!("{awaiting:?}") };
    assert_eq!((stored.place, stored.step()), (Place::Record, delivery.step()));
    assert_eq!(stored.record().unwrap().state, JobState::Completed);
}

pub async fn awaiting_another_life_is_not_answered_by_the_last_one(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let delivery = case.next_delivery(&mut sub).await;
    case.complete(&delivery).await;
    let other = Nonce::parse("another").unwrap();
    let awaiting = case.transport.await_end(&case.key("a"), &other).await.unwrap();
    assert_eq!(awaiting, Awaiting::Marked);
    case.json("a", r#"{"task":"t","nonce":"another"}"#).await;
    let delivery = case.next_delivery(&mut sub).await;
    assert_eq!(case.write(&case.record(&delivery)).await, Written::Awaited);
}

pub async fn a_marker_is_neither_a_record_nor_evidence_of_a_job(subject: &dyn Subject) {
    let case = Case::new(subject);
    let key = case.key("a");
    case.open().await;
    let life = Nonce::parse("to-come").unwrap();
    assert_eq!(case.transport.await_end(&key, &life).await.unwrap(), Awaiting::Marked);
    case.expect_places("a", &[]).await;
    assert_eq!(case.transport.evidence(std::slice::from_ref(&key)).await.unwrap(), [[]]);
    assert!(case.transport.find(&key.id).await.unwrap().is_empty());
    assert!(case.client.report(&key).await.is_err());
}

pub async fn of_an_end_and_a_marker_at_the_same_time_one_sees_the_other(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for n in 0..50 {
        let id = format!("job-{n}");
        case.enqueue(&id).await;
        let delivery = case.next_delivery(&mut sub).await;
        let record = case.record(&delivery);
        let life = delivery.step().nonce;
        let key = case.key(&id);
        let (written, awaiting) =
            tokio::join!(case.write(&record), case.transport.await_end(&key, &life));
        match awaiting.unwrap() {
            Awaiting::Marked => assert_eq!(written, Written::Awaited),
            Awaiting::Ended(_) => assert_eq!(written, Written::Stored),
        }
        delivery.handle.ack().await.unwrap();
    }
}

pub async fn two_writers_of_the_same_awaited_end_both_learn_that_others_wait(
    subject: &dyn Subject,
) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for n in 0..20 {
        let id = format!("job-{n}");
        case.enqueue(&id).await;
        let delivery = case.next_delivery(&mut sub).await;
        case.transport.await_end(&case.key(&id), &delivery.step().nonce).await.unwrap();
        let record = case.record(&delivery);
        // Each of them may crash before it notifies the jobs that wait, so each has to know of them.
        let both = tokio::join!(case.write(&record), case.write(&record));
        assert_eq!(both, (Written::Awaited, Written::Awaited));
        delivery.handle.ack().await.unwrap();
    }
}

pub async fn an_end_whose_record_is_gone_counts_as_stored_when_it_is_written_again(
    subject: &dyn Subject,
) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let delivery = case.next_delivery(&mut sub).await;
    let record = case.record(&delivery);
    assert_eq!(case.write(&record).await, Written::Stored);
    let mut stored = case.transport.locate(&case.key("a")).await.unwrap();
    stored.retain(|it| it.place == Place::Record);
    assert!(case.transport.remove(&stored[0]).await.unwrap());
    assert_eq!(case.write(&record).await, Written::Stored);
    delivery.handle.ack().await.unwrap();
}

pub async fn an_awaited_record_is_kept_longer_than_its_own_ttl(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.json("a", r#"{"task":"t","record_ttl_ms":1000}"#).await;
    let delivery = case.next_delivery(&mut sub).await;
    case.transport.await_end(&case.key("a"), &delivery.step().nonce).await.unwrap();
    assert_eq!(case.write(&case.record(&delivery)).await, Written::Awaited);
    delivery.handle.ack().await.unwrap();
    case.advance(Duration::from_secs(3)).await;
    case.expect_places("a", &[Place::Record]).await;
    assert!(AWAITED_RECORD_TTL >= Duration::from_secs(86_400));
}
