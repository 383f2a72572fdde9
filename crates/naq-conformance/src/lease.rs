//! Leases: hold, renew, lose.

use std::time::Duration;

use crate::Subject;
use crate::case::{BRIEF, Case};

pub async fn an_unsettled_delivery_comes_back_after_its_lease_as_a_crash(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let first = case.one(&mut sub).await;
    assert_eq!((first.delivered, first.suspect, first.envelope().unwrap().crashes), (1, false, 0));
    case.nothing(&mut sub, case.lease() / 2).await;
    let again = case.one(&mut sub).await;
    assert_eq!(again.stored.seq, first.stored.seq);
    assert_eq!((again.delivered, again.suspect), (2, true));
    assert_eq!(again.envelope().unwrap().crashes, 1);
    assert_eq!(case.stale(&again).await, None, "it was never settled");
    let third = case.one(&mut sub).await;
    assert_eq!((third.delivered, third.envelope().unwrap().crashes), (3, 2));
    case.complete(&third).await;
}

pub async fn a_renewed_delivery_does_not_come_back(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let held = case.one(&mut sub).await;
    for _ in 0..6 {
        case.pass(case.lease() / 3).await;
        held.handle.renew().await.unwrap();
    }
    case.nothing(&mut sub, case.lease() / 3).await;
    let again = case.one(&mut sub).await;
    assert_eq!(again.delivered, 2, "the last renewal ends too");
}

pub async fn what_was_stored_before_the_subscription_is_suspect(subject: &dyn Subject) {
    let case = Case::new(subject);
    case.enqueue("old").await;
    let mut sub = case.open().await;
    let old = case.one(&mut sub).await;
    assert_eq!((old.stored.key.clone(), old.suspect, old.delivered), (case.key("old"), true, 1));
    assert_eq!(case.stale(&old).await, None, "and still innocent");
    assert_eq!(old.envelope().unwrap().crashes, 0, "and nobody died");
}

pub async fn the_lease_in_force_is_told(subject: &dyn Subject) {
    let case = Case::new(subject);
    let first = case.open().await;
    assert_eq!(first.lease(), case.lease());
    let longer = case.lease() + Duration::from_secs(30);
    let second = case.transport.subscribe(&case.queue, longer).await.unwrap();
    assert_eq!(second.lease(), case.lease(), "the queue has one already");
    let info = case.transport.queue_info(&case.queue).await.unwrap().unwrap();
    assert_eq!(info.lease, Some(case.lease()));
}

pub async fn an_ack_by_an_earlier_holder_still_drops_the_job(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let first = case.one(&mut sub).await;
    let second = case.one(&mut sub).await;
    assert_eq!(second.delivered, 2);
    // Not fenced: which is why a worker that lost its lease acks nothing.
    first.handle.ack().await.unwrap();
    case.stands("a", &[]).await;
    second.handle.ack().await.unwrap();
    second.handle.renew().await.unwrap();
    case.nothing(&mut sub, case.lease() + BRIEF).await;
}

pub async fn what_is_held_comes_to_another_subscriber_when_its_holder_is_gone(
    subject: &dyn Subject,
) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let lost = case.one(&mut sub).await;
    drop(sub);
    let mut other = case.open().await;
    let again = case.one(&mut other).await;
    assert_eq!((again.stored.seq, again.delivered, again.suspect), (lost.stored.seq, 2, true));
    case.complete(&again).await;
    case.stands("a", &[naq_core::transport::Place::Record]).await;
}
