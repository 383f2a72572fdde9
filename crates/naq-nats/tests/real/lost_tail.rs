//! A broker loses its newest messages, or a stream is removed and made again: sequences come again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use naq_core::transport::{
    Delivery, Fact, Lookup, Operator, Place, Producer, Receipt, Settler, Subscription, Written,
};
use naq_core::{Clock, SystemClock};
use naq_nats::NatsTransport;
use naq_testing::{NatsServer, eventually, shared_server, unique};

use crate::support::{TIME_LIMIT, connect_as, enqueue, fetch, job, key, queue, subscribe};

/// Removes the stream of the queue, as the command line of NATS does.
async fn remove_queue(url: &str, prefix: &str) {
    let client = async_nats::connect(url).await.expect("connects");
    let stream = format!("{}_Q_default", prefix.to_uppercase());
    let answer = client.request(format!("$JS.API.STREAM.DELETE.{stream}"), "".into()).await;
    let answer = String::from_utf8(answer.expect("an answer").payload.to_vec()).expect("text");
    assert!(answer.contains("\"success\":true"), "{answer}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).expect("copies")),
        }
    }
}

/// Whether the job has a message in the queue.
async fn is_queued(transport: &NatsTransport, id: &str) -> bool {
    let found = transport.locate(&key(id)).await.expect("looks");
    found.iter().any(|it| it.place == Place::Queue)
}

/// A delivery that this process holds, and the process that gets a new job with its sequence.
struct Reused {
    held: Delivery,
    _from: Box<dyn Subscription>,
    transport: NatsTransport,
    other: NatsTransport,
    new: Delivery,
    _other_from: Box<dyn Subscription>,
}

/// A process holds `old` while the queue is removed. Another one makes it again, and gets `new`.
async fn reused(old: &str, new: &str) -> Reused {
    let (url, prefix) = (shared_server().url(), unique("t"));
    let transport = connect_as(&url, &*prefix).await;
    let mut from = subscribe(&transport).await;
    enqueue(&transport, old).await;
    let held = fetch(&mut from, 1).await.remove(0);
    remove_queue(&url, &prefix).await;
    let other = connect_as(&url, &*prefix).await;
    let mut other_from = subscribe(&other).await;
    enqueue(&other, new).await;
    let new = fetch(&mut other_from, 1).await.remove(0);
    assert_eq!(new.stored.seq, held.stored.seq, "the sequence comes again");
    // All slots are taken: nothing is asked for.
    assert!(from.fetch(0, Duration::from_millis(200)).await.expect("waits").is_empty());
    Reused { held, _from: from, transport, other, new, _other_from: other_from }
}

#[tokio::test]
async fn an_ack_for_a_removed_queue_leaves_the_job_that_has_the_sequence_now() {
    for new_id in ["new", "old"] {
        let reused = reused("old", new_id).await;
        reused.held.handle.renew().await.expect("it may go on");
        reused.held.handle.ack().await.expect("nothing is left to ack");
        // The broker handles the messages of one connection in order.
        reused.transport.queue_info(&queue()).await.expect("looks");
        assert!(is_queued(&reused.other, new_id).await, "the ack removed {new_id}");
        reused.new.handle.ack().await.expect("acks");
        eventually("the new job's own ack", TIME_LIMIT, async || {
            !is_queued(&reused.other, new_id).await
        })
        .await;
    }
}

#[tokio::test]
async fn a_job_whose_sequence_another_has_is_not_brought_back() {
    let reused = reused("old", "new").await;
    let mut next = reused.held.envelope().expect("a job");
    next.attempt = 2;
    let due_at = SystemClock.now() + Duration::from_secs(60);
    let retry = Fact::retry(&reused.held.stored, &next, due_at).expect("a fact");
    assert_eq!(reused.transport.write(&retry).await.expect("answers"), Written::Fenced);
}

#[tokio::test]
async fn a_removal_leaves_the_job_that_has_the_sequence_now() {
    let reused = reused("old", "new").await;
    assert!(!reused.transport.remove(&reused.held.stored).await.expect("answers"));
    assert!(is_queued(&reused.other, "new").await);
}

#[tokio::test]
async fn a_job_written_by_hand_is_another_life_in_a_queue_that_was_made_again() {
    let by_hand = |id| {
        let mut job = job(id, None);
        job.message = crate::support::message();
        job
    };
    let (url, prefix) = (shared_server().url(), unique("t"));
    let transport = connect_as(&url, &*prefix).await;
    let mut steps = Vec::new();
    for _ in 0..2 {
        let mut from = subscribe(&transport).await;
        let receipt = transport.publish(by_hand("nightly")).await.expect("enqueues");
        assert_eq!(receipt, Receipt::Stored(1));
        let delivery = fetch(&mut from, 1).await.remove(0);
        let located = transport.locate(&key("nightly")).await.expect("looks");
        assert_eq!(located[0].step(), delivery.step(), "all readers agree");
        steps.push(delivery.step());
        remove_queue(&url, &prefix).await;
    }
    assert_ne!(steps[0], steps[1]);
}

#[tokio::test]
async fn an_ack_to_a_broker_that_lost_its_newest_messages_leaves_the_new_job() {
    let mut server = NatsServer::start().expect("a server");
    let transport = connect_as(&server.url(), "t").await;
    let mut from = subscribe(&transport).await;
    enqueue(&transport, "first").await;
    fetch(&mut from, 1).await[0].handle.ack().await.expect("acks");
    server.stop().expect("stops");
    let synced = server.store_path().with_file_name("synced");
    copy(&server.store_path(), &synced);
    server.restart().expect("restarts");

    enqueue(&transport, "old").await;
    let held = fetch(&mut from, 1).await.remove(0);
    server.kill().expect("kills");
    // The power was cut: what was not synced is lost.
    fs::remove_dir_all(server.store_path()).expect("removes");
    copy(&synced, &server.store_path());
    server.restart().expect("restarts");

    let other = connect_as(&server.url(), "t").await;
    let mut other_from = subscribe(&other).await;
    enqueue(&other, "new").await;
    let new = fetch(&mut other_from, 1).await.remove(0);
    assert_eq!(new.stored.seq, held.stored.seq, "the sequence comes again");
    eventually("the first process to connect", TIME_LIMIT, async || {
        held.handle.ack().await.is_ok()
    })
    .await;
    transport.queue_info(&queue()).await.expect("looks");
    assert!(is_queued(&other, "new").await, "the ack removed it");
}
