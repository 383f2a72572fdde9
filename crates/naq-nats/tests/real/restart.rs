//! The broker crashes and is started again.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq_core::transport::{Lookup, Producer};
use naq_core::{Clock, SystemClock};
use naq_testing::{NatsServer, eventually};

use crate::support::{TIME_LIMIT, connect, enqueue, fetch, job, queue, subscribe};

#[tokio::test]
async fn jobs_acknowledged_before_during_and_after_a_crash_all_arrive() {
    let mut server = NatsServer::start().expect("a server");
    let transport = connect(&server.url()).await;
    let mut from = subscribe(&transport).await;
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));

    let producer = tokio::spawn({
        let (transport, stop, acknowledged) =
            (transport.clone(), stop.clone(), acknowledged.clone());
        async move {
            for n in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let ids: Vec<_> = (0..20).map(|i| format!("j{n}-{i}")).collect();
                let jobs = ids.iter().map(|id| job(id, None)).collect();
                for (id, receipt) in ids.iter().zip(transport.publish_many(jobs).await) {
                    if receipt.is_ok() {
                        acknowledged.lock().expect("a lock").insert(id.clone());
                    }
                }
            }
        }
    });
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let consumer = tokio::spawn({
        let (seen, stop, acknowledged) = (seen.clone(), stop.clone(), acknowledged.clone());
        async move {
            loop {
                for delivery in from.fetch(50, Duration::from_secs(1)).await.unwrap_or_default() {
                    seen.lock().expect("a lock").insert(delivery.stored.key.id.to_string());
                    let _ = delivery.handle.ack().await;
                }
                let all =
                    acknowledged.lock().expect("a lock").is_subset(&seen.lock().expect("a lock"));
                if stop.load(Ordering::Relaxed) && all {
                    break;
                }
            }
        }
    });

    let count = || acknowledged.lock().expect("a lock").len();
    for _ in 0..2 {
        let before = count();
        eventually("jobs to flow", TIME_LIMIT, async || count() > before + 200).await;
        server.kill().expect("kills");
        server.restart().expect("restarts");
    }
    let before = count();
    eventually("jobs to flow again", TIME_LIMIT, async || count() > before + 200).await;
    stop.store(true, Ordering::Relaxed);
    producer.await.expect("the producer ends");
    let done = tokio::time::timeout(TIME_LIMIT, consumer).await;
    let missing: Vec<_> = {
        let seen = seen.lock().expect("a lock");
        acknowledged.lock().expect("a lock").difference(&seen).cloned().collect()
    };
    assert!(done.is_ok(), "acknowledged and never delivered: {missing:?}");
}

#[tokio::test]
async fn a_schedule_survives_a_crash_and_is_never_early() {
    let mut server = NatsServer::start().expect("a server");
    let transport = connect(&server.url()).await;
    let mut from = subscribe(&transport).await;
    let now = SystemClock.now();
    let due = |ms| Some(now + Duration::from_millis(ms));
    for n in 0..20 {
        transport.publish(job(&format!("j{n}"), due(600 + 60 * n))).await.expect("enqueues");
    }
    server.kill().expect("kills");
    server.restart().expect("restarts");
    let mut left = 20;
    while left > 0 {
        for delivery in fetch(&mut from, 1).await {
            let n: u64 = delivery.stored.key.id.as_str()[1..].parse().expect("a number");
            assert!(Some(SystemClock.now()) >= due(600 + 60 * n), "job {n} is early");
            delivery.handle.ack().await.expect("acks");
            left -= 1;
        }
    }
    assert!(from.fetch(1, Duration::from_millis(500)).await.expect("asks").is_empty());
}

#[tokio::test]
async fn only_messages_from_before_a_restart_are_suspect_after_it() {
    let mut server = NatsServer::start().expect("a server");
    let transport = connect(&server.url()).await;
    enqueue(&transport, "before").await;
    let mut from = subscribe(&transport).await;
    let first = fetch(&mut from, 1).await.remove(0);
    assert!(!first.suspect, "the broker has run on since it was stored");
    first.handle.ack().await.expect("acks");
    for id in ["waits", "waits-too"] {
        enqueue(&transport, id).await;
    }
    let second = fetch(&mut from, 1).await.remove(0);
    assert!(!second.suspect, "stored after the connection, delivered once");
    server.kill().expect("kills");
    server.restart().expect("restarts");
    let mut after = fetch(&mut from, 1).await;
    enqueue(&transport, "fresh").await;
    while after.iter().all(|d| d.stored.key.id.as_str() != "fresh") {
        after.extend(fetch(&mut from, 1).await);
    }
    for delivery in &after {
        let fresh = delivery.stored.key.id.as_str() == "fresh";
        assert_eq!(delivery.suspect, !fresh, "{}", delivery.stored.key);
    }
}

#[tokio::test]
async fn a_broker_that_does_not_come_back_is_a_typed_error_in_bounded_time() {
    let mut server = NatsServer::start().expect("a server");
    let config = {
        let mut config = naq_nats::NatsConfig::new(server.url()).prefix("gone");
        config.answer_timeout = Duration::from_millis(200);
        config.request_timeout = Duration::from_millis(600);
        config
    };
    let transport = naq_nats::NatsTransport::connect(config).await.expect("connects");
    let mut from = subscribe(&transport).await;
    server.kill().expect("kills");
    let bounded = Duration::from_secs(5);
    let publish = tokio::time::timeout(bounded, transport.publish(job("x", None))).await;
    assert!(publish.expect("in time").expect_err("no broker").is_transient());
    let many = tokio::time::timeout(bounded, transport.publish_many(vec![job("y", None)])).await;
    assert!(many.expect("in time")[0].as_ref().expect_err("no broker").is_transient());
    let info = tokio::time::timeout(bounded, transport.queue_info(&queue())).await;
    assert!(info.expect("in time").expect_err("no broker").is_transient());
    let fetched = tokio::time::timeout(bounded, from.fetch(1, Duration::from_millis(300))).await;
    assert!(fetched.expect("in time").expect_err("no broker").is_transient());
    drop(tokio::time::timeout(bounded, from.close()).await.expect("closes in time"));
}

#[tokio::test]
async fn a_lease_is_not_renewed_while_the_broker_is_away() {
    let mut server = NatsServer::start().expect("a server");
    let transport = connect(&server.url()).await;
    let mut from = subscribe(&transport).await;
    enqueue(&transport, "a").await;
    let delivery = fetch(&mut from, 1).await.remove(0);
    delivery.handle.renew().await.expect("the broker is there");
    server.kill().expect("killed");
    // A renewal that the client buffers would arrive after the end of the lease, so it must fail.
    eventually("a renewal that fails", TIME_LIMIT, async || delivery.handle.renew().await.is_err())
        .await;
    server.restart().expect("back");
    eventually("renewals again", TIME_LIMIT, async || delivery.handle.renew().await.is_ok()).await;
}
