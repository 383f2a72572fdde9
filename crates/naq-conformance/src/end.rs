//! One end a life: the first record of a job stands, and whoever waits for it is told.

use std::time::Duration;

use naq_client::ClientError;
use naq_core::retry::Rule;
use naq_core::state::JobState;
use naq_core::transport::{
    AWAITED_RECORD_TTL, Awaiting, Delivery, Fact, Place, StaleReason, Unfinished, Written,
};
use naq_core::wire::{FinalRecord, Nonce};

use crate::Subject;
use crate::cancel::cancelled;
use crate::case::{BRIEF, Case};

type Record = fn(&Case<'_>, &Delivery) -> Fact;

/// How a job can end, and what its record would be.
const ENDS: [(JobState, Record); 4] = [
    (JobState::Completed, |case, delivery| case.record(delivery)),
    (JobState::Dead, |case, delivery| case.death(delivery, "Error")),
    (JobState::Cancelled, |case, delivery| ended(case, delivery, JobState::Cancelled)),
    (JobState::Expired, |case, delivery| ended(case, delivery, JobState::Expired)),
];

fn ended(case: &Case<'_>, delivery: &Delivery, state: JobState) -> Fact {
    let envelope = delivery.envelope().unwrap();
    let record = FinalRecord { envelope, state, finished_at: case.now(), result: None };
    Fact::record(&delivery.stored, &record).unwrap().unwrap()
}

pub async fn of_two_ends_the_first_stands_whichever_they_are(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for (first, one) in ENDS {
        for (second, other) in ENDS.iter().filter(|(state, _)| *state != first) {
            let id = format!("{first}-{second}");
            case.enqueue(&id).await;
            let delivery = case.one(&mut sub).await;
            let (one, other) = (one(&case, &delivery), other(&case, &delivery));
            assert_eq!(case.write(&one).await, Written::Stored);
            assert_eq!(case.write(&other).await, Written::Ended, "{second} after {first}");
            assert_eq!(case.write(&one).await, Written::Stored, "as after a lost answer");
            delivery.handle.ack().await.unwrap();
            case.stands(&id, &[Place::Record]).await;
            assert_eq!(case.state(&id).await, first);
        }
    }
}

pub async fn what_has_ended_cannot_be_cancelled_nor_end_after_a_cancel(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for (state, record) in ENDS {
        // Ahead of the cancel: its message stands, as it does until the ack.
        let id = format!("{state}-first");
        case.enqueue(&id).await;
        let delivery = case.one(&mut sub).await;
        assert_eq!(case.write(&record(&case, &delivery)).await, Written::Stored);
        if state != JobState::Cancelled {
            let refused = case.client.cancel(&case.key(&id), "").await;
            let said = matches!(&refused, Err(ClientError::State { state: s, .. }) if *s == state);
            assert!(said, "{state}: {refused:?}");
            assert_eq!(case.state(&id).await, state);
        }
        delivery.handle.ack().await.unwrap();
        // Behind it.
        let id = format!("{state}-second");
        case.enqueue(&id).await;
        let delivery = case.one(&mut sub).await;
        case.client.cancel(&case.key(&id), "not needed").await.unwrap();
        assert_eq!(case.write(&record(&case, &delivery)).await, Written::Ended, "{state}");
        case.stands(&id, &[Place::Record]).await;
        assert_eq!(case.state(&id).await, JobState::Cancelled);
    }
    case.nothing(&mut sub, BRIEF).await;
}

pub async fn of_an_end_and_a_cancel_at_once_one_happens(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for n in 0..50 {
        let (state, record) = ENDS[n % 2];
        let id = format!("job-{n}");
        case.enqueue(&id).await;
        let delivery = case.one(&mut sub).await;
        let (record, cancel) = (record(&case, &delivery), cancelled(&case, &id).await);
        let (end, cancel) = tokio::join!(case.write(&record), case.write(&cancel));
        let ends = match (end, cancel) {
            (Written::Stored, Written::Ended) => state,
            (Written::Ended, Written::Stored) => JobState::Cancelled,
            both => panic!("{both:?}"),
        };
        delivery.handle.ack().await.unwrap();
        assert_eq!(case.state(&id).await, ends);
    }
}

pub async fn the_first_of_two_workers_that_end_a_job_has_ended_it(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let late = case.one(&mut sub).await;
    let other = case.one(&mut sub).await;
    assert_eq!(case.write(&case.record(&other)).await, Written::Stored);
    let record = async || {
        let found = case.transport.locate(&case.key("a")).await.unwrap();
        found.into_iter().find(|it| it.place == Place::Record).unwrap()
    };
    let first = record().await;
    case.pass(Duration::from_millis(10)).await;
    for (state, record) in ENDS {
        assert_eq!(case.write(&record(&case, &late)).await, Written::Ended, "{state}");
    }
    other.handle.ack().await.unwrap();
    case.stands("a", &[Place::Record]).await;
    let last = record().await;
    assert_eq!((last.seq, last.message.body), (first.seq, first.message.body));
}

pub async fn a_job_is_dead_from_its_record_on_and_its_letter_follows(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.json("a", r#"{"task":"t","record_ttl_ms":0}"#).await;
    let delivery = case.one(&mut sub).await;
    assert_eq!(case.write(&case.death(&delivery, "HTTPError.503")).await, Written::Stored);
    let report = case.client.report(&case.key("a")).await.unwrap();
    assert_eq!((report.state, report.stored.place), (JobState::Dead, Place::Record));
    // Whoever comes next finds all that the letter needs.
    let keys = [case.key("a")];
    let life = delivery.step().nonce;
    let evidence = case.transport.evidence(&keys).await.unwrap().remove(0);
    assert_eq!(Unfinished::of(&life, &evidence), Unfinished { letter: true, wake: false });
    assert_eq!(case.stale(&delivery).await, Some(StaleReason::Died));
    let left = report.stored.letter_of_record(&delivery.stored.message).unwrap();
    assert_eq!((left.error_kind.as_str(), left.rule), ("HTTPError.503", Rule::MaxRetries));
    assert_eq!(
        (left.step.clone(), left.body.len()),
        (delivery.step(), delivery.stored.message.body.len())
    );
    // And both write the same letter.
    for letter in [Fact::dead(&delivery.stored, &left), case.dead(&delivery, "HTTPError.503")] {
        assert_eq!(case.write(&letter).await, Written::Stored);
    }
    delivery.handle.ack().await.unwrap();
    case.stands("a", &[Place::Dead, Place::Record]).await;
    let letters = case.transport.dead_letters(Some(&case.queue), 0, 10).await.unwrap().letters;
    assert_eq!(letters.len(), 1);
    let evidence = case.transport.evidence(&keys).await.unwrap().remove(0);
    assert!(Unfinished::of(&life, &evidence).is_nothing());
    let report = case.client.report(&case.key("a")).await.unwrap();
    assert_eq!(
        (report.state, report.stored.place),
        (JobState::Dead, Place::Dead),
        "to be requeued"
    );
}

pub async fn the_record_of_a_death_says_nothing_of_the_next_life(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let delivery = case.one(&mut sub).await;
    case.write(&case.death(&delivery, "Error")).await;
    case.settle(&delivery, &case.dead(&delivery, "Error")).await;
    case.stands("a", &[Place::Dead, Place::Record]).await;
    let letter = case.client.report(&case.key("a")).await.unwrap().stored;
    case.client.requeue(&letter, None).await.unwrap();
    assert_eq!(case.state("a").await, JobState::Pending);
    let again = case.one(&mut sub).await;
    assert_eq!(case.stale(&again).await, None);
    assert_eq!(case.write(&case.record(&again)).await, Written::Stored, "over the other one");
    again.handle.ack().await.unwrap();
    case.stands("a", &[Place::Record]).await;
    assert_eq!(case.state("a").await, JobState::Completed);
}

pub async fn who_waits_for_an_end_before_it_comes_is_told_by_whoever_ends_it(
    subject: &dyn Subject,
) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let delivery = case.one(&mut sub).await;
    let life = delivery.step().nonce;
    for _ in 0..2 {
        let noted = case.transport.await_end(&case.key("a"), &life).await.unwrap();
        assert_eq!(noted, Awaiting::Marked);
    }
    let record = case.record(&delivery);
    assert_eq!(case.write(&record).await, Written::Awaited);
    assert_eq!(case.write(&record).await, Written::Awaited, "as after an answer that was lost");
    delivery.handle.ack().await.unwrap();
    case.stands("a", &[Place::Record]).await;
    let stored = case.transport.locate(&case.key("a")).await.unwrap().remove(0);
    assert!(stored.message.is_awaited() && stored.record().is_ok());
}

pub async fn who_waits_for_an_end_that_has_come_gets_its_record(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let delivery = case.one(&mut sub).await;
    case.complete(&delivery).await;
    case.stands("a", &[Place::Record]).await;
    let awaiting = case.transport.await_end(&case.key("a"), &delivery.step().nonce).await.unwrap();
    let Awaiting::Ended(stored) = awaiting else { panic!("{awaiting:?}") };
    assert_eq!((stored.place, stored.step()), (Place::Record, delivery.step()));
    assert_eq!(stored.record().unwrap().state, JobState::Completed);
}

pub async fn who_waits_for_another_life_is_not_told_of_the_one_before(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let delivery = case.one(&mut sub).await;
    case.complete(&delivery).await;
    let other = Nonce::parse("another").unwrap();
    let awaiting = case.transport.await_end(&case.key("a"), &other).await.unwrap();
    assert_eq!(awaiting, Awaiting::Marked);
    case.json("a", r#"{"task":"t","nonce":"another"}"#).await;
    let delivery = case.one(&mut sub).await;
    assert_eq!(case.write(&case.record(&delivery)).await, Written::Awaited);
}

pub async fn a_marker_is_no_record_and_no_trace_of_a_job(subject: &dyn Subject) {
    let case = Case::new(subject);
    let key = case.key("a");
    case.open().await;
    let life = Nonce::parse("to-come").unwrap();
    assert_eq!(case.transport.await_end(&key, &life).await.unwrap(), Awaiting::Marked);
    case.stands("a", &[]).await;
    assert_eq!(case.transport.evidence(std::slice::from_ref(&key)).await.unwrap(), [[]]);
    assert!(case.transport.find(&key.id).await.unwrap().is_empty());
    assert!(case.client.report(&key).await.is_err());
}

pub async fn of_an_end_and_somebody_who_waits_at_once_one_is_told(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for n in 0..50 {
        let id = format!("job-{n}");
        case.enqueue(&id).await;
        let delivery = case.one(&mut sub).await;
        let (record, life) = (case.record(&delivery), delivery.step().nonce);
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

pub async fn of_two_who_write_the_same_awaited_end_both_are_told_that_others_wait(
    subject: &dyn Subject,
) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for n in 0..20 {
        let id = format!("job-{n}");
        case.enqueue(&id).await;
        let delivery = case.one(&mut sub).await;
        case.transport.await_end(&case.key(&id), &delivery.step().nonce).await.unwrap();
        let record = case.record(&delivery);
        // Whichever of them dies before it can tell the others: each knows that it has to.
        let both = tokio::join!(case.write(&record), case.write(&record));
        assert_eq!(both, (Written::Awaited, Written::Awaited));
        delivery.handle.ack().await.unwrap();
    }
}

pub async fn an_end_whose_record_has_vanished_counts_as_stored_when_it_is_written_again(
    subject: &dyn Subject,
) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let delivery = case.one(&mut sub).await;
    let record = case.record(&delivery);
    assert_eq!(case.write(&record).await, Written::Stored);
    let mut stored = case.transport.locate(&case.key("a")).await.unwrap();
    stored.retain(|it| it.place == Place::Record);
    assert!(case.transport.remove(&stored[0]).await.unwrap());
    assert_eq!(case.write(&record).await, Written::Stored);
    delivery.handle.ack().await.unwrap();
}

pub async fn a_record_that_is_awaited_is_kept_for_those_who_will_read_it(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.json("a", r#"{"task":"t","record_ttl_ms":1000}"#).await;
    let delivery = case.one(&mut sub).await;
    case.transport.await_end(&case.key("a"), &delivery.step().nonce).await.unwrap();
    assert_eq!(case.write(&case.record(&delivery)).await, Written::Awaited);
    delivery.handle.ack().await.unwrap();
    case.pass(Duration::from_secs(3)).await;
    case.stands("a", &[Place::Record]).await;
    assert!(AWAITED_RECORD_TTL >= Duration::from_secs(86_400));
}
