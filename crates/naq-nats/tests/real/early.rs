//! Waits that reach their queue before their time.

use std::time::Duration;

use async_nats::jetstream;
use naq_core::transport::{Fact, Lookup, Operator, Place, Producer, Settler, Written};
use naq_core::{Clock, SystemClock, Timestamp};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{eventually, shared_server, unique};

use crate::support::{TIME_LIMIT, connect, enqueue, fetch, job, key, queue, subscribe};

/// The time until which a job waits, and when the broker's timer moves it.
async fn times_of_wait(transport: &NatsTransport, prefix: &str, id: &str) -> [Timestamp; 2] {
    let due_at = SystemClock.now() + Duration::from_secs(3_600);
    transport.publish(job(id, Some(due_at))).await.expect("enqueues");
    let client = async_nats::connect(shared_server().url()).await.expect("connects");
    let operator = jetstream::new(client);
    let stream = operator.get_stream(format!("{}_Q_default", prefix.to_uppercase()));
    let stream = stream.await.expect("there");
    let subject = format!("{prefix}.s.default.{id}");
    let found = stream.get_last_raw_message_by_subject(&subject).await.expect("waits");
    let header = |name: &str| found.headers.get(name).expect("a header").as_str().to_owned();
    let moved_at = header("Nats-Schedule");
    let moved_at = moved_at.strip_prefix("@at ").expect("a time").parse().expect("a time");
    assert_eq!(header("Naq-Not-Before"), due_at.to_string());
    let waiting = transport.locate(&key(id)).await.expect("locates");
    assert_eq!(waiting.last().and_then(|stored| stored.due_at), Some(due_at));
    [due_at, moved_at]
}

#[tokio::test]
async fn the_broker_moves_a_wait_ahead_of_its_time_unless_its_queue_has_a_limit() {
    let prefix = unique("t");
    let config = NatsConfig::new(shared_server().url()).prefix(&prefix);
    let transport = NatsTransport::connect(config).await.expect("connects");
    let [due_at, moved_at] = times_of_wait(&transport, &prefix, "one").await;
    assert!(moved_at < due_at, "{moved_at}");
    let limit = std::num::NonZeroU64::new(5);
    transport.set_limit(&queue(), limit).await.expect("limits");
    let _worker = subscribe(&transport).await;
    let [due_at, moved_at] = times_of_wait(&transport, &prefix, "two").await;
    assert_eq!(moved_at, due_at, "a held delivery would take a place of the limit");
}

#[tokio::test]
async fn a_short_wait_goes_straight_to_the_queue_and_is_held_also_by_the_next_worker() {
    let transport = connect(&shared_server().url()).await;
    enqueue(&transport, "one").await;
    let mut from = subscribe(&transport).await;
    let first = fetch(&mut from, 1).await.remove(0);
    let mut next = first.envelope().expect("a job");
    next.attempt = 2;
    let due_at = SystemClock.now() + Duration::from_millis(340);
    let fact = Fact::retry(&first.stored, &next, due_at).expect("a fact");
    assert_eq!(transport.write(&fact).await.expect("writes"), Written::Stored);
    first.handle.ack().await.expect("acks");
    let places: Vec<_> = transport.locate(&key("one")).await.expect("locates");
    assert!(places.iter().all(|stored| stored.place == Place::Queue), "{places:?}");

    // The worker stops, and gives back what it holds.
    for held in from.close().await {
        let back = Fact::give_back(&held.stored, None).expect("a fact");
        assert_eq!(transport.write(&back).await.expect("writes"), Written::Stored);
        held.handle.ack().await.expect("acks");
    }
    let mut other = subscribe(&transport).await;
    let again = fetch(&mut other, 1).await.remove(0);
    assert!(SystemClock.now() >= due_at, "early");
    assert_eq!(again.step().attempt, 2);
    again.handle.ack().await.expect("acks");
}

#[tokio::test]
async fn a_job_that_an_operator_runs_now_is_not_held() {
    let transport = connect(&shared_server().url()).await;
    let due_at = SystemClock.now() + Duration::from_secs(3_600);
    transport.publish(job("one", Some(due_at))).await.expect("enqueues");
    let waiting = eventually("it waits", TIME_LIMIT, async || {
        transport.locate(&key("one")).await.expect("locates").pop()
    });
    let waiting = waiting.await;
    assert!(transport.release(&waiting).await.expect("runs it now"));
    let mut from = subscribe(&transport).await;
    let delivery = fetch(&mut from, 1).await.remove(0);
    assert_eq!(delivery.stored.message.not_before(), None);
    delivery.handle.ack().await.expect("acks");
}
