//! Retries start at their time, to a few milliseconds, and never early.

use std::time::Duration;

use naq_core::transport::{Delivery, Fact, Settler, Written};
use naq_core::{Clock, SystemClock, Timestamp};
use naq_nats::NatsTransport;
use naq_testing::{shared_server, unique};

use crate::support::{TIME_LIMIT, connect, connect_as, enqueue, fetch, subscribe};

/// The broker's own timer moves due jobs every 250 ms: half of them more than this late.
const TICK_P50: Duration = Duration::from_millis(125);

async fn retry(transport: &NatsTransport, delivery: &Delivery, due_at: Timestamp) {
    let mut job = delivery.envelope().expect("a job");
    job.attempt += 1;
    job.due_at = Some(due_at);
    let fact = Fact::retry(&delivery.stored, &job, due_at).expect("encodes");
    assert_eq!(transport.write(&fact).await.expect("writes"), Written::Stored);
    delivery.handle.ack().await.expect("acks");
}

#[tokio::test]
async fn a_worker_ends_the_waits_that_it_has_stored_at_their_time() {
    let transport = connect(&shared_server().url()).await;
    let mut from = subscribe(&transport).await;
    for n in 0..60 {
        enqueue(&transport, &format!("j{n}")).await;
    }
    let now = SystemClock.now();
    for (n, delivery) in fetch(&mut from, 60).await.iter().enumerate() {
        retry(&transport, delivery, now + Duration::from_millis(1_500 + 17 * n as u64)).await;
    }
    let again = fetch(&mut from, 60).await;
    let due = |it: &Delivery| it.envelope().expect("a job").due_at.expect("a due time");
    for delivery in &again {
        assert!(delivery.stored.stored_at >= due(delivery), "{delivery:?} is early");
        assert_eq!((delivery.delivered, delivery.envelope().expect("a job").attempt), (1, 2));
        delivery.handle.ack().await.expect("acks");
    }
    let mut late: Vec<_> = again.iter().map(|it| it.stored.stored_at.since(due(it))).collect();
    late.sort();
    assert!(late[late.len() / 2] < TICK_P50 / 2, "{late:?}");
    // The broker does not start them a second time.
    assert!(from.fetch(1, Duration::from_secs(3)).await.expect("asks").is_empty());
}

#[tokio::test]
async fn the_broker_ends_the_wait_of_a_worker_that_is_gone() {
    let (url, prefix) = (shared_server().url(), unique("t"));
    let first = connect_as(&url, &*prefix).await;
    let mut from = subscribe(&first).await;
    enqueue(&first, "a").await;
    let delivery = fetch(&mut from, 1).await.remove(0);
    let due_at = SystemClock.now() + Duration::from_millis(700);
    retry(&first, &delivery, due_at).await;
    first.flush().await.expect("the ack is sent");
    drop((from, delivery, first));
    let other = connect_as(&url, &*prefix).await;
    let mut from = subscribe(&other).await;
    let again = fetch(&mut from, 1).await.remove(0);
    assert!(again.stored.stored_at >= due_at);
    assert!(again.stored.stored_at <= due_at + TIME_LIMIT);
    assert_eq!(again.envelope().expect("a job").attempt, 2);
}
