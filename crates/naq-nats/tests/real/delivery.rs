//! A job from its enqueue to its ack.

use std::time::Duration;

use naq_core::transport::{Fact, Lookup, Producer, Settler, Written};
use naq_core::{Clock, SystemClock};
use naq_testing::shared_server;

use crate::support::{connect, enqueue, fetch, ids, job, key, queue, subscribe};

#[tokio::test]
async fn a_job_is_published_fetched_retried_and_settled() {
    let transport = connect(&shared_server().url()).await;
    enqueue(&transport, "one").await;
    let mut queue_one = subscribe(&transport).await;
    let delivery = fetch(&mut queue_one, 1).await.remove(0);
    assert_eq!(delivery.stored.key, key("one"));
    assert_eq!(delivery.delivered, 1);

    let mut next = delivery.envelope().expect("a job");
    next.attempt = 2;
    let due_at = SystemClock.now() + Duration::from_millis(700);
    let fact = Fact::retry(&delivery.stored, &next, due_at).expect("a fact");
    assert_eq!(transport.write(&fact).await.expect("writes"), Written::Stored);
    assert_eq!(transport.write(&fact).await.expect("writes again"), Written::Stored);
    delivery.handle.ack().await.expect("acks");

    let waiting = transport.locate(&key("one")).await.expect("locates");
    assert_eq!(waiting.last().and_then(|stored| stored.due_at), Some(due_at), "{waiting:?}");

    let again = fetch(&mut queue_one, 1).await.remove(0);
    assert!(SystemClock.now() >= due_at, "early");
    assert_eq!(again.step().attempt, 2);
    assert!(!again.suspect, "stored after the connection, delivered once");
    again.handle.ack().await.expect("acks");
    assert!(queue_one.fetch(1, Duration::from_millis(300)).await.expect("asks").is_empty());
}

#[tokio::test]
async fn many_are_published_at_once_and_answered_in_order() {
    let transport = connect(&shared_server().url()).await;
    let mut jobs: Vec<_> = (0..2000).map(|n| job(&format!("j{n:04}"), None)).collect();
    jobs.push(job("j0000", None));
    let receipts = transport.publish_many(jobs).await;
    assert!(matches!(receipts[2000], Ok(naq_core::transport::Receipt::Duplicate)));
    let info = transport.queue_info(&queue()).await.expect("asks").expect("a queue");
    assert_eq!((info.pending, info.running, info.waiting), (2000, 0, 0));

    let mut from = subscribe(&transport).await;
    let all = fetch(&mut from, 2000).await;
    assert_eq!(ids(&all)[1999], "j1999");
    for delivery in &all {
        delivery.handle.ack().await.expect("acks");
    }
}
