//! One end a life: the first record of a job stands, and whoever waits for it is told.

use std::time::Duration;

use super::Subject;
use super::case::Case;
use crate::state::JobState;
use crate::transport::{AWAITED_RECORD_TTL, Awaiting, Place, Written};
use crate::wire::Nonce;

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
