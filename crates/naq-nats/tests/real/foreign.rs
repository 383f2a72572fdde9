//! Messages that NAQ did not write: from plain NATS clients, and from attackers.

use std::time::Duration;

use async_nats::{Client, HeaderMap};
use naq_core::testing::SkewedClock;
use naq_core::transport::{Fact, Lookup, Operator, Place, Producer, Settler, Written};
use naq_core::{Clock, SystemClock};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{shared_server, unique};

use crate::support::{fetch, job, key, queue, subscribe};

async fn transport_and_client() -> (NatsTransport, Client, String) {
    let prefix = unique("t");
    let url = shared_server().url();
    let config = NatsConfig::new(&url).prefix(&prefix);
    let transport = NatsTransport::connect(config).await.expect("connects");
    (transport, async_nats::connect(&url).await.expect("connects"), prefix)
}

#[tokio::test]
async fn a_plain_client_enqueues_with_one_publish() {
    let (transport, client, prefix) = transport_and_client().await;
    let mut from = subscribe(&transport).await;
    let body = r#"{"task":"email.send","args":{"to":"a@example.com"}}"#;
    client.publish(format!("{prefix}.q.default.42"), body.into()).await.expect("publishes");
    let delivery = fetch(&mut from, 1).await.remove(0);
    let envelope = delivery.envelope().expect("a job");
    assert_eq!((envelope.id.as_str(), envelope.task.as_str()), ("42", "email.send"));
}

#[tokio::test]
async fn a_message_on_an_invalid_job_subject_can_be_settled() {
    let (transport, client, prefix) = transport_and_client().await;
    let mut from = subscribe(&transport).await;
    for odd in ["a.b", "ä", "x.y.z"] {
        client.publish(format!("{prefix}.q.default.{odd}"), "x".into()).await.expect("publishes");
    }
    for delivery in fetch(&mut from, 3).await {
        let stored = &delivery.stored;
        assert_eq!(stored.key.id.as_str(), format!("bad-{}", stored.seq));
        assert!(delivery.envelope().is_err());
        let fact = match stored.seq {
            1 => Fact::give_back(stored, None).expect("a fact"),
            _ => Fact::dead(stored, &stored.dead_letter()),
        };
        assert_eq!(transport.write(&fact).await.expect("settles"), Written::Stored);
        delivery.handle.ack().await.expect("acks");
    }
    assert_eq!(
        fetch(&mut from, 1).await[0].stored.key,
        key("bad-1"),
        "given back under the generated id"
    );
    let dead = transport.dead_letters(Some(&queue()), 0, 10).await.expect("reads");
    assert_eq!(dead.letters.len(), 2);
}

#[tokio::test]
async fn headers_with_the_brokers_names_are_not_taken_for_the_brokers() {
    let (transport, client, prefix) = transport_and_client().await;
    let mut from = subscribe(&transport).await;
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("Nats-Subject", "naq.d.other.victim"),
        ("Nats-Sequence", "999999"),
        ("Nats-Num-Pending", "5"),
        ("Nats-Stream", "OTHER"),
        ("nats-schedule", "@every 1s"),
        ("X-Mine", "1"),
    ] {
        headers.insert(name, value);
    }
    let subject = format!("{prefix}.q.default.forged");
    let body = r#"{"task":"t"}"#;
    client.publish_with_headers(subject, headers, body.into()).await.expect("publishes");
    let delivery = fetch(&mut from, 1).await.remove(0);
    let found = transport.locate(&key("forged")).await.expect("finds");
    assert_eq!((found.len(), found[0].seq, found[0].place), (1, 1, Place::Queue));
    assert_eq!(found[0].message.headers().collect::<Vec<_>>(), [("X-Mine", "1")]);
    assert_eq!(delivery.stored.message, found[0].message);

    let due_at = SystemClock.now() + Duration::from_millis(300);
    let next = delivery.envelope().expect("a job");
    let fact = Fact::retry(&delivery.stored, &next, due_at).expect("a fact");
    assert_eq!(transport.write(&fact).await.expect("settles"), Written::Stored);
    delivery.handle.ack().await.expect("acks");
    assert!(!fetch(&mut from, 1).await[0].suspect);
}

#[tokio::test]
async fn a_job_that_looks_like_a_status_is_a_job() {
    let (transport, _, prefix) = transport_and_client().await;
    let mut from = subscribe(&transport).await;
    raw_publish(&format!("{prefix}.q.default.status"), "NATS/1.0 409 Consumer Deleted\r\n\r\n")
        .await;
    let delivery = fetch(&mut from, 1).await.remove(0);
    assert_eq!(delivery.stored.key, key("status"));
    let found = transport.locate(&key("status")).await.expect("finds");
    assert_eq!(found.len(), 1);
    assert!(transport.remove(&found[0]).await.expect("removes"));
}

#[tokio::test]
async fn a_message_that_the_broker_repeats_is_found_and_can_be_ended() {
    let (transport, client, prefix) = transport_and_client().await;
    let mut from = subscribe(&transport).await;
    let waiting = transport.broker_now().expect("compared") + Duration::from_secs(3600);
    transport.publish(job("waits", Some(waiting))).await.expect("enqueues");
    assert_eq!(transport.broker_schedules(&queue()).await.expect("looks"), []);
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Schedule", "@every 1s");
    headers.insert("Nats-Schedule-Target", format!("{prefix}.q.default.tick").as_str());
    let on = format!("{prefix}.s.default.tick");
    client.publish_with_headers(on, headers, r#"{"task":"t"}"#.into()).await.expect("publishes");
    for _ in 0..2 {
        let delivery = fetch(&mut from, 1).await.remove(0);
        assert_eq!(delivery.stored.key, key("tick"));
        delivery.handle.ack().await.expect("acks");
    }
    let found = transport.broker_schedules(&queue()).await.expect("looks");
    let [schedule] = &found[..] else { panic!("{found:?}") };
    assert_eq!((&schedule.stored.key, schedule.times.as_str()), (&key("tick"), "@every 1s"));
    assert!(transport.remove(&schedule.stored).await.expect("removes"));
    assert_eq!(transport.broker_schedules(&queue()).await.expect("looks"), []);
}

/// Publishes with header bytes that a client library would not write.
async fn raw_publish(subject: &str, headers: &str) {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let stream = tokio::net::TcpStream::connect(shared_server().address()).await.expect("connects");
    let mut stream = BufReader::new(stream);
    let body = r#"{"task":"t"}"#;
    let size = headers.len();
    let total = size + body.len();
    let lines = format!(
        "CONNECT {{\"verbose\":false,\"headers\":true}}\r\n\
         HPUB {subject} {size} {total}\r\n{headers}{body}\r\nPING\r\n"
    );
    stream.write_all(lines.as_bytes()).await.expect("writes");
    let mut line = String::new();
    while !line.starts_with("PONG") {
        line.clear();
        assert!(stream.read_line(&mut line).await.expect("reads") > 0, "closed");
        assert!(!line.starts_with("-ERR"), "{line}");
    }
}

#[tokio::test]
async fn a_wrong_clock_of_the_worker_makes_no_schedule_early() {
    for skew in [-300_000, 300_000] {
        let mut config = NatsConfig::new(shared_server().url()).prefix(unique("t"));
        config.clock = std::sync::Arc::new(SkewedClock::new(SystemClock, skew));
        let transport = NatsTransport::connect(config).await.expect("connects");
        let mut from = subscribe(&transport).await;
        let delay = Duration::from_millis(800);
        let now = transport.broker_now().expect("compared while it subscribed");
        assert!(now.since(SystemClock.now()) < Duration::from_secs(1), "{now}");
        let due = now + delay;
        let really_due = SystemClock.now() + delay;
        transport.publish(job("skewed", Some(due))).await.expect("enqueues");
        let found = transport.locate(&key("skewed")).await.expect("finds");
        assert_eq!(found[0].due_at, Some(due), "the due time that was sent");
        fetch(&mut from, 1).await.remove(0).handle.ack().await.expect("acks");
        let late = SystemClock.now().since(really_due);
        assert!(SystemClock.now() >= really_due, "early by a skew of {skew} ms");
        assert!(late < Duration::from_secs(3), "late by {late:?}");
        let broker = transport.broker().await.expect("says");
        assert!((broker.clock_ahead_ms + skew).abs() < 1000, "{broker:?}");
    }
}
