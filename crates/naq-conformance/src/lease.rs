//! Leases: hold, renew and lose them.

use std::time::Duration;

use crate::Subject;
use crate::case::{BRIEF, Case};

pub async fn an_unsettled_delivery_comes_back_after_its_lease_and_is_no_crash_by_itself(
    subject: &dyn Subject,
) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let first = case.next_delivery(&mut sub).await;
    assert_eq!((first.delivered, first.suspect, first.envelope().unwrap().crashes), (1, false, 0));
    case.expect_nothing(&mut sub, case.lease() / 2).await;
    let again = case.next_delivery(&mut sub).await;
    assert_eq!(again.stored.seq, first.stored.seq);
    assert_eq!((again.delivered, again.suspect), (2, true));
    assert_eq!(case.stale(&again).await, None, "it was never settled");
    let third = case.next_delivery(&mut sub).await;
    assert_eq!((third.delivered, third.envelope().unwrap().crashes), (3, 0));
    case.complete(&third).await;
}

pub async fn a_renewed_delivery_does_not_come_back(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let held = case.next_delivery(&mut sub).await;
    for _ in 0..6 {
        case.advance(case.lease() / 3).await;
        held.handle.renew().await.unwrap();
    }
    case.expect_nothing(&mut sub, case.lease() / 3).await;
    let again = case.next_delivery(&mut sub).await;
    assert_eq!(again.delivered, 2, "the last renewal expires too");
}

pub async fn a_job_stored_before_the_subscription_is_new_and_not_stale(subject: &dyn Subject) {
    let case = Case::new(subject);
    case.enqueue("old").await;
    let mut sub = case.open().await;
    let old = case.next_delivery(&mut sub).await;
    // Whether it is a suspect is up to the transport: the broker may have restarted since then.
    assert_eq!((old.stored.key.clone(), old.delivered), (case.key("old"), 1));
    assert_eq!(case.stale(&old).await, None, "it was not settled before");
    assert_eq!(old.envelope().unwrap().crashes, 0, "no worker crashed");
}

pub async fn the_lease_in_force_is_reported(subject: &dyn Subject) {
    let case = Case::new(subject);
    let first = case.open().await;
    assert_eq!(first.lease(), case.lease());
    let longer = case.lease() + Duration::from_secs(30);
    let second = case.transport.subscribe(&case.queue, longer).await.unwrap();
    assert_eq!(second.lease(), case.lease(), "the queue keeps its first lease");
    let info = case.transport.queue_info(&case.queue).await.unwrap().unwrap();
    assert_eq!(info.lease, Some(case.lease()));
}

pub async fn an_ack_after_a_lost_lease_still_drops_the_job(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let first = case.next_delivery(&mut sub).await;
    let second = case.next_delivery(&mut sub).await;
    assert_eq!(second.delivered, 2);
    // The broker accepts this late ack. So a worker that has lost its lease must not ack.
    first.handle.ack().await.unwrap();
    case.expect_places("a", &[]).await;
    second.handle.ack().await.unwrap();
    second.handle.renew().await.unwrap();
    case.expect_nothing(&mut sub, case.lease() + BRIEF).await;
}

pub async fn a_held_delivery_goes_to_another_subscriber_when_the_first_is_gone(
    subject: &dyn Subject,
) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let lost = case.next_delivery(&mut sub).await;
    drop(sub);
    let mut other = case.open().await;
    let again = case.next_delivery(&mut other).await;
    assert_eq!((again.stored.seq, again.delivered, again.suspect), (lost.stored.seq, 2, true));
    case.complete(&again).await;
    case.expect_places("a", &[naq_core::transport::Place::Record]).await;
}
