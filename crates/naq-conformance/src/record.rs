//! Final records: what they contain, and how long they are kept.

use std::time::Duration;

use naq_core::state::JobState;
use naq_core::transport::{Fact, FactKind, Place};

use crate::Subject;
use crate::case::Case;

pub async fn a_record_keeps_the_result_and_the_history(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let handle = case.enqueue("a").await;
    assert_eq!(handle.result().await.unwrap(), None, "not yet");
    let first = case.next_delivery(&mut sub).await;
    case.settle(&first, &case.retry(&first, Duration::ZERO)).await;
    let second = case.next_delivery(&mut sub).await;
    case.complete(&second).await;
    case.expect_places("a", &[Place::Record]).await;
    assert_eq!(handle.result().await.unwrap(), Some("done".into()));
    let report = handle.report().await.unwrap();
    assert_eq!(report.state, JobState::Completed);
    assert_eq!(report.envelope.unwrap().history.len(), 1);
}

pub async fn a_record_expires_after_its_ttl(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let delivery = case.next_delivery(&mut sub).await;
    let ttl = Duration::from_secs(1);
    let state = JobState::Completed;
    let record = Fact { kind: FactKind::Record { ttl, state }, ..case.record(&delivery) };
    case.settle(&delivery, &record).await;
    case.expect_places("a", &[Place::Record]).await;
    case.advance(ttl).await;
    case.expect_places("a", &[]).await;
    case.expect_no_job("a").await;
}

pub async fn a_record_ttl_beyond_the_brokers_range_is_accepted(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let delivery = case.next_delivery(&mut sub).await;
    let kind =
        FactKind::Record { ttl: Duration::from_millis(u64::MAX), state: JobState::Completed };
    case.settle(&delivery, &Fact { kind, ..case.record(&delivery) }).await;
    case.expect_places("a", &[Place::Record]).await;
}

pub async fn a_record_of_another_life_replaces_the_one_before(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for _ in 0..2 {
        case.json("a", r#"{"task":"t"}"#).await;
        let delivery = case.next_delivery(&mut sub).await;
        case.complete(&delivery).await;
        case.expect_places("a", &[Place::Record]).await;
        let report = case.client.report(&case.key("a")).await.unwrap();
        assert_eq!(report.stored.step(), delivery.step());
    }
}
