//! What an operator removes takes no other job along, also when the broker restarts afterwards.

use naq_core::transport::{Delivery, Lookup, Operator, Place, Producer, Stored, Subscription};
use naq_nats::NatsTransport;
use naq_testing::{NatsServer, eventually};

use crate::support::{TIME_LIMIT, connect, enqueue, fetch, ids, job, key, queue, subscribe};

const RUNNING: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Six jobs that a worker has.
async fn six_run(server: &NatsServer) -> (NatsTransport, Box<dyn Subscription>) {
    let transport = connect(&server.url()).await;
    let mut from = subscribe(&transport).await;
    for id in RUNNING {
        enqueue(&transport, id).await;
    }
    fetch(&mut from, RUNNING.len()).await;
    (transport, from)
}

async fn in_queue(transport: &NatsTransport, id: &str) -> Stored {
    let mut found = transport.locate(&key(id)).await.expect("looks");
    found.retain(|it| it.place == Place::Queue);
    found.pop().expect("it is in the queue")
}

/// One more job completes. Its ack moves the floor of the consumer.
async fn one_completes(transport: &NatsTransport, from: &mut Box<dyn Subscription>) {
    enqueue(transport, "another").await;
    let done = fetch(from, 1).await;
    assert_eq!(ids(&done), ["another"]);
    ack(transport, &done[0]).await;
}

/// Acks, and waits until the broker has removed the message.
async fn ack(transport: &NatsTransport, delivery: &Delivery) {
    delivery.handle.ack().await.expect("acks");
    let (key, seq) = (&delivery.stored.key, delivery.stored.seq);
    eventually("the ack to arrive", TIME_LIMIT, async || {
        transport.locate(key).await.expect("looks").iter().all(|it| it.seq != seq)
    })
    .await;
}

/// The jobs that are delivered again after the broker's restart.
async fn after_restart(
    mut server: NatsServer,
    from: &mut Box<dyn Subscription>,
    count: usize,
    crash: bool,
) -> Vec<String> {
    if crash {
        server.kill().expect("kills")
    } else {
        server.stop().expect("stops")
    }
    server.restart().expect("restarts");
    ids(&fetch(from, count).await)
}

#[tokio::test]
async fn no_running_job_is_forgotten_when_another_is_removed() {
    // The purge of `f` alone loses five jobs. The purge of `c` loses two once `d` completes.
    for crash in [false, true] {
        let server = NatsServer::start().expect("a server");
        let (transport, mut from) = six_run(&server).await;
        for id in ["c", "f"] {
            let stored = in_queue(&transport, id).await;
            assert!(transport.remove(&stored).await.expect("removes"));
            assert!(!transport.remove(&stored).await.expect("is gone"));
        }
        one_completes(&transport, &mut from).await;
        assert_eq!(after_restart(server, &mut from, 4, crash).await, ["a", "b", "d", "e"]);
    }
}

#[tokio::test]
async fn a_job_is_removed_with_the_older_messages_on_its_subject_and_not_with_newer_ones() {
    let server = NatsServer::start().expect("a server");
    let (transport, mut from) = six_run(&server).await;
    let old = in_queue(&transport, "f").await;
    publish_again(&transport, "f", 1).await;
    publish_again(&transport, "f", 2).await;
    let middle = in_queue(&transport, "f").await;
    publish_again(&transport, "f", 3).await;
    assert!(old.seq < middle.seq);
    assert!(transport.remove(&middle).await.expect("removes"));
    assert!(!transport.remove(&old).await.expect("is gone"));
    let newest = in_queue(&transport, "f").await;
    assert!(newest.seq > middle.seq);
    let delivered = fetch(&mut from, 1).await;
    assert_eq!(delivered[0].stored.seq, newest.seq);
    ack(&transport, &delivered[0]).await;
    one_completes(&transport, &mut from).await;
    assert_eq!(after_restart(server, &mut from, 5, true).await, RUNNING[..5]);
}

async fn publish_again(transport: &NatsTransport, id: &str, n: u32) {
    let mut again = job(id, None);
    again.dedup = format!("{id}-{n}");
    transport.publish(again).await.expect("stores");
}

#[tokio::test]
async fn a_purge_of_a_queue_leaves_later_jobs_sound() {
    let server = NatsServer::start().expect("a server");
    let (transport, mut from) = six_run(&server).await;
    assert_eq!(transport.purge(&queue()).await.expect("purges"), 6);
    for id in ["g", "h"] {
        enqueue(&transport, id).await;
    }
    fetch(&mut from, 2).await;
    one_completes(&transport, &mut from).await;
    assert_eq!(after_restart(server, &mut from, 2, false).await, ["g", "h"]);
}
