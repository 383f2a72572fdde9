//! A job from its enqueue to its ack.

use std::time::Duration;

use naq_core::transport::{Fact, Lookup, Producer, Settler, Written};
use naq_core::{Clock, SystemClock};
use naq_testing::{shared_server, unique};

use crate::support::{connect, connect_as, enqueue, fetch, ids, job, key, queue, subscribe};

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

/// Removes the consumer of the queue, as an operator does.
async fn remove_consumer(url: &str, prefix: &str) {
    let client = async_nats::connect(url).await.expect("connects");
    let stream = format!("{}_Q_default", prefix.to_uppercase());
    let answer =
        client.request(format!("$JS.API.CONSUMER.DELETE.{stream}.workers"), "".into()).await;
    let answer = String::from_utf8(answer.expect("an answer").payload.to_vec()).expect("text");
    assert!(answer.contains("\"success\":true"), "{answer}");
}

/// The worker that is asked here did not make the consumer again, and may have had no open pull that
/// would have told it. An ended job whose ack went to the old consumer must be looked up.
#[tokio::test]
async fn what_a_consumer_delivers_that_was_made_again_is_suspect() {
    for has_open_pull in [false, true] {
        let (url, prefix) = (shared_server().url(), unique("t"));
        let transport = connect_as(&url, &*prefix).await;
        let mut from = subscribe(&transport).await;
        for id in ["a", "b"] {
            enqueue(&transport, id).await;
        }
        let held = fetch(&mut from, 2).await;
        assert!(held.iter().all(|it| !it.suspect), "{held:?}");
        if has_open_pull {
            let none = from.fetch(5, Duration::from_millis(100)).await.expect("asks");
            assert!(none.is_empty(), "{none:?}");
        }
        remove_consumer(&url, &prefix).await;
        let other = connect_as(&url, &*prefix).await;
        let _other_from = subscribe(&other).await;
        let again = fetch(&mut from, 2).await;
        assert!(again.iter().all(|it| it.delivered == 1 && it.suspect), "{again:?}");
    }
}
