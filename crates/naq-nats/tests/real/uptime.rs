//! Which jobs of a filled queue are suspects: those from before the last start of the broker, or of the
//! consumer.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq_core::transport::{Delivery, Producer};
use naq_core::{Clock, SystemClock};
use naq_nats::NatsTransport;
use naq_testing::{NatsServer, eventually, shared_server, unique};

use crate::support::{TIME_LIMIT, connect_as, enqueue, fetch, job, subscribe};

/// What the uptime consumer of the default queue says. Empty if there is none.
async fn uptime(transport: &NatsTransport, prefix: &str) -> String {
    let subject = format!("$JS.API.CONSUMER.INFO.{}_Q_default.uptime", prefix.to_uppercase());
    let answer = transport.client().request(subject, "".into()).await;
    let answer = answer.map_or_else(
        |_| String::new(),
        |answer| String::from_utf8_lossy(&answer.payload).into_owned(),
    );
    if answer.contains("naq-after") { answer } else { String::new() }
}

async fn until_marked(transport: &NatsTransport, prefix: &str) {
    eventually("an uptime consumer", TIME_LIMIT, async || {
        !uptime(transport, prefix).await.is_empty()
    })
    .await;
}

fn suspects(deliveries: &[Delivery]) -> Vec<&str> {
    let suspects = deliveries.iter().filter(|delivery| delivery.suspect);
    suspects.map(|delivery| delivery.stored.key.id.as_str()).collect()
}

#[tokio::test]
async fn jobs_that_waited_for_workers_on_a_running_broker_are_not_suspect() {
    let (url, prefix) = (shared_server().url(), unique("t"));
    let producer = connect_as(&url, &*prefix).await;
    for id in ["a", "b"] {
        enqueue(&producer, id).await;
    }
    let due = SystemClock.now() + Duration::from_millis(100);
    producer.publish(job("delayed", Some(due))).await.expect("enqueues");
    let first = connect_as(&url, &*prefix).await;
    let mut from = subscribe(&first).await;
    let some = fetch(&mut from, 3).await;
    assert_eq!(suspects(&some), [""; 0], "the first worker of the queue");
    for delivery in &some {
        delivery.handle.ack().await.expect("acks");
    }
    drop(from);
    enqueue(&producer, "c").await;
    let second = connect_as(&url, &*prefix).await;
    let rest = fetch(&mut subscribe(&second).await, 1).await;
    assert_eq!(suspects(&rest), [""; 0], "a later worker");
}

#[tokio::test]
async fn jobs_from_before_a_restart_are_suspect_and_those_from_after_it_are_not() {
    let mut server = NatsServer::start().expect("a server");
    let prefix = unique("t");
    let producer = connect_as(&server.url(), &*prefix).await;
    enqueue(&producer, "old").await;
    for _ in 0..2 {
        server.kill().expect("kills");
        server.restart().expect("restarts");
    }
    let producer = connect_as(&server.url(), &*prefix).await;
    enqueue(&producer, "marks").await;
    until_marked(&producer, &prefix).await;
    enqueue(&producer, "new").await;
    let worker = connect_as(&server.url(), &*prefix).await;
    let all = fetch(&mut subscribe(&worker).await, 3).await;
    let suspects = suspects(&all);
    assert!(suspects.contains(&"old") && !suspects.contains(&"new"), "{suspects:?}");
}

#[tokio::test]
async fn without_an_uptime_consumer_all_older_jobs_are_suspect() {
    let mut server = NatsServer::start().expect("a server");
    let prefix = unique("t");
    let producer = connect_as(&server.url(), &*prefix).await;
    for id in ["a", "b"] {
        enqueue(&producer, id).await;
    }
    drop(producer);
    server.restart().expect("restarts");
    let worker = connect_as(&server.url(), &*prefix).await;
    assert_eq!(uptime(&worker, &prefix).await, "");
    let all = fetch(&mut subscribe(&worker).await, 2).await;
    assert_eq!(suspects(&all), ["a", "b"]);
}

/// The worker is new: it cannot have noticed the change itself.
#[tokio::test]
async fn jobs_from_before_the_consumer_was_made_again_are_suspect() {
    let (url, prefix) = (shared_server().url(), unique("t"));
    let producer = connect_as(&url, &*prefix).await;
    let mut from = subscribe(&producer).await;
    for id in ["a", "b"] {
        enqueue(&producer, id).await;
    }
    assert_eq!(suspects(&fetch(&mut from, 2).await), [""; 0]);
    drop(from);
    let remove = format!("$JS.API.CONSUMER.DELETE.{}_Q_default.workers", prefix.to_uppercase());
    producer.client().request(remove, "".into()).await.expect("an answer");
    let worker = connect_as(&url, &*prefix).await;
    let again = fetch(&mut subscribe(&worker).await, 2).await;
    assert!(again.iter().all(|it| it.delivered == 1));
    assert_eq!(suspects(&again), ["a", "b"]);
}

/// Fetches and acks until the connection is lost. Fails if a job that was acked came back and would run
/// again. Adds what it acked to `acked`, and returns how many came back.
async fn work(transport: NatsTransport, acked: Arc<Mutex<BTreeSet<String>>>) -> usize {
    let mut from = subscribe(&transport).await;
    let mut came_back = 0;
    while let Ok(batch) = from.fetch(100, Duration::from_secs(1)).await {
        for delivery in batch {
            let id = delivery.stored.key.id.to_string();
            let before = acked.lock().expect("a lock").contains(&id);
            came_back += usize::from(before);
            assert!(delivery.suspect || !before, "{id} was acked, and would run again");
            if delivery.handle.ack().await.is_err() {
                return came_back;
            }
            acked.lock().expect("a lock").insert(id);
        }
    }
    came_back
}

/// A broker that is killed within a tenth of a second of an ack may deliver the message again, with a
/// count of one, to a worker that knows nothing of the kill. Each round leaves a backlog to a new worker.
#[tokio::test]
async fn what_was_acked_before_the_broker_was_killed_is_suspect_to_a_new_worker() {
    let mut server = NatsServer::start().expect("a server");
    let prefix = unique("t");
    let acked = Arc::new(Mutex::new(BTreeSet::new()));
    let mut came_back = 0;
    for round in 0..5 {
        let producer = connect_as(&server.url(), &*prefix).await;
        let jobs = (0..1_000).map(|n| job(&format!("j{round}-{n}"), None)).collect();
        assert!(producer.publish_many(jobs).await.iter().all(Result::is_ok));
        until_marked(&producer, &prefix).await;
        let worker = connect_as(&server.url(), &*prefix).await;
        let before = acked.lock().expect("a lock").len();
        let working = tokio::spawn(work(worker, acked.clone()));
        eventually("acks", TIME_LIMIT, async || {
            acked.lock().expect("a lock").len() > before + 300 || working.is_finished()
        })
        .await;
        server.kill().expect("kills");
        came_back += working.await.expect("no acked job would run again");
        server.restart().expect("restarts");
    }
    assert!(came_back > 0, "the broker brought nothing back: this test shows nothing");
}
