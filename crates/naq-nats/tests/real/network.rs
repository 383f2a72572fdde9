//! The network fails, the broker does not.

use std::time::Duration;

use naq_core::SystemClock;
use naq_core::clock::{Clock, Timer};
use naq_core::transport::{Fact, Lookup, Place, Producer, Receipt, Settler, Written};
use naq_nats::NatsTransport;
use naq_testing::{ChaosProxy, Direction, NatsServer, eventually, shared_server, unique};

use crate::support::{
    LEASE, TIME_LIMIT, connect, connect_as, enqueue, fetch, job, key, queue, subscribe,
};

async fn connect_through_proxy(server: &NatsServer) -> (ChaosProxy, NatsTransport) {
    let proxy = ChaosProxy::start(server.address()).await.expect("a proxy");
    let transport = connect(&proxy.url()).await;
    (proxy, transport)
}

/// Runs `act` while the broker receives its request, but the reply and the connection are lost.
async fn with_lost_reply<T>(proxy: &ChaosProxy, act: impl Future<Output = T>) -> T {
    proxy.stall(Direction::ToClient);
    let breaking = async {
        // Long enough for the broker to act, and shorter than all time-outs.
        wait(Duration::from_millis(200)).await;
        proxy.cut();
        proxy.heal();
    };
    let (done, ()) = tokio::join!(act, breaking);
    done
}

async fn wait(span: Duration) {
    SystemClock.sleep_until(SystemClock.now() + span).await;
}

#[tokio::test]
async fn a_job_whose_reply_was_lost_is_stored_once_and_reported_as_stored() {
    let (proxy, transport) = connect_through_proxy(shared_server()).await;
    enqueue(&transport, "first").await;
    for unique in [false, true] {
        let mut job = job(&format!("unique-{unique}"), None);
        job.unique = unique;
        let receipt = with_lost_reply(&proxy, transport.publish(job)).await;
        assert!(matches!(receipt, Ok(Receipt::Stored(_))), "unique {unique}: {receipt:?}");
    }
    let many = (0..50).map(|n| job(&format!("many-{n}"), None)).collect();
    let receipts = with_lost_reply(&proxy, transport.publish_many(many)).await;
    assert!(receipts.iter().all(|r| matches!(r, Ok(Receipt::Stored(_)))), "{receipts:?}");
    let info = transport.queue_info(&queue()).await.expect("reads").expect("there");
    assert_eq!(info.pending, 53);
}

#[tokio::test]
async fn a_fact_whose_reply_was_lost_is_stored_once() {
    let (proxy, transport) = connect_through_proxy(shared_server()).await;
    for id in ["retry", "dead", "back"] {
        enqueue(&transport, id).await;
    }
    let mut from = subscribe(&transport).await;
    for delivery in fetch(&mut from, 3).await {
        let stored = &delivery.stored;
        let envelope = delivery.envelope().expect("a job");
        let fact = match stored.key.id.as_str() {
            "retry" => {
                let due_at = SystemClock.now() + Duration::from_secs(60);
                Fact::retry(stored, &envelope, due_at).expect("a fact")
            }
            "dead" => Fact::dead(stored, &stored.dead_letter()),
            _ => Fact::give_back(stored, None).expect("a fact"),
        };
        let written = with_lost_reply(&proxy, transport.write(&fact)).await;
        assert_eq!(written.expect("writes"), Written::Stored, "{}", stored.key);
        delivery.handle.ack().await.expect("acks");
    }
    let info = transport.queue_info(&queue()).await.expect("reads").expect("there");
    assert_eq!((info.waiting, info.dead), (1, 1));
    let back = fetch(&mut from, 1).await;
    assert_eq!(back[0].stored.key, key("back"));
    let found = transport.locate(&key("back")).await.expect("finds");
    assert_eq!(found.iter().filter(|s| s.place == Place::Queue).count(), 1);
}

#[tokio::test]
async fn a_pull_that_was_lost_with_its_connection_is_sent_again() {
    let server = shared_server();
    let (proxy, transport) = connect_through_proxy(server).await;
    let mut from = subscribe(&transport).await;
    enqueue(&transport, "before").await;
    fetch(&mut from, 1).await.remove(0).handle.ack().await.expect("acks");
    // The broker replies to this after it has received the ack.
    transport.locate(&key("before")).await.expect("finds");

    // The pull and everything after it is lost, and the connection stays open.
    proxy.stall(Direction::ToServer);
    let silence = from.fetch(1, Duration::from_secs(3)).await;
    assert!(silence.is_ok_and(|none| none.is_empty()));
    proxy.cut();
    proxy.heal();
    enqueue(&transport, "after").await;
    assert_eq!(fetch(&mut from, 1).await[0].stored.key, key("after"));
}

#[tokio::test]
async fn a_lost_ack_brings_the_job_back_as_a_suspect() {
    let (proxy, transport) = connect_through_proxy(shared_server()).await;
    let mut from = subscribe(&transport).await;
    enqueue(&transport, "job").await;
    let delivery = fetch(&mut from, 1).await.remove(0);
    proxy.stall(Direction::ToServer);
    delivery.handle.ack().await.expect("is sent");
    wait(Duration::from_millis(50)).await;
    proxy.cut();
    proxy.heal();
    let again = fetch(&mut from, 1).await.remove(0);
    assert!(again.suspect && again.delivered == 2, "{again:?}");
    again.handle.ack().await.expect("acks");
    assert!(from.fetch(1, LEASE + Duration::from_millis(500)).await.expect("asks").is_empty());
}

#[tokio::test]
async fn a_job_that_arrived_before_the_connection_was_lost_is_looked_up_before_it_runs() {
    let proxy = ChaosProxy::start(shared_server().address()).await.expect("a proxy");
    let prefix = unique("t");
    let transport = connect_as(&proxy.url(), &*prefix).await;
    let direct = connect_as(&shared_server().url(), &*prefix).await;
    let mut from = subscribe(&transport).await;
    // A pull is open. What it brings waits in the process.
    assert!(from.fetch(1, Duration::from_millis(50)).await.expect("asks").is_empty());
    enqueue(&direct, "job").await;
    eventually("the delivery", TIME_LIMIT, async || {
        direct.queue_info(&queue()).await.expect("reads").is_some_and(|info| info.running == 1)
    })
    .await;
    proxy.cut();
    eventually("a new connection", TIME_LIMIT, async || {
        transport.queue_info(&queue()).await.is_ok_and(|info| info.is_some())
    })
    .await;
    let delivery = fetch(&mut from, 1).await.remove(0);
    assert!(delivery.suspect, "another worker may have had it meanwhile");
    assert!(delivery.delivered > 1 || !delivery.handle.is_current());
}
