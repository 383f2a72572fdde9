//! A job is sent again because the answer to its first request was lost.

use std::sync::atomic::Ordering;
use std::time::Duration;

use naq_core::transport::{
    Delivery, Fact, Lookup, Place, Producer, Receipt, Settler, Stored, Submission, Written,
};
use naq_core::wire::FinalRecord;
use naq_core::{Clock, JobState, SystemClock};
use naq_nats::NatsTransport;
use naq_testing::{ChaosProxy, Direction, NatsServer, eventually};

use crate::support::{TIME_LIMIT, connect_as, fetch, job, key, subscribe};

const PREFIX: &str = "t";
/// How long each direction of a slow link takes. Less than half of the time that a request waits.
const SLOW: Duration = Duration::from_millis(400);

async fn located(transport: &NatsTransport, id: &str) -> Vec<Stored> {
    transport.locate(&key(id)).await.expect("looks")
}

async fn end(worker: &NatsTransport, delivery: Delivery) {
    let record = FinalRecord {
        envelope: delivery.envelope().expect("a job"),
        state: JobState::Completed,
        finished_at: SystemClock.now(),
        result: None,
    };
    let fact = Fact::record(&delivery.stored, &record).expect("encodes").expect("a record");
    assert_eq!(worker.write(&fact).await.expect("writes"), Written::Stored);
    delivery.handle.ack().await.expect("acks");
}

/// Enqueues through a link that loses all answers. The job runs and ends, the broker restarts, and
/// the link is there again.
async fn enqueue_over_a_restart(id: &str, unique: bool) {
    let mut server = NatsServer::start().expect("a server");
    let worker = connect_as(&server.url(), PREFIX).await;
    let mut from = subscribe(&worker).await;
    let proxy = ChaosProxy::start(server.address()).await.expect("a proxy");
    let producer = connect_as(&proxy.url(), PREFIX).await;
    let mut submission = job(id, None);
    submission.unique = unique;
    // The link is slow, so that the answer can be lost after the job was stored.
    proxy.delay(SLOW);
    let publish = tokio::spawn(async move { producer.publish(submission).await });
    let delivery = fetch(&mut from, 1).await.remove(0);
    proxy.stall(Direction::ToClient);
    end(&worker, delivery).await;
    eventually("the ack to arrive", TIME_LIMIT, async || {
        located(&worker, id).await.iter().all(|stored| stored.place == Place::Record)
    })
    .await;
    server.stop().expect("stops");
    server.restart().expect("restarts");
    assert!(!publish.is_finished(), "its answer is lost");
    proxy.cut();
    proxy.heal();
    let receipt = publish.await.expect("the producer ends");
    assert!(matches!(receipt, Ok(Receipt::Stored(_))), "{id}: {receipt:?}");
    let left: Vec<_> = located(&worker, id).await.iter().map(|stored| stored.place).collect();
    assert_eq!(left, [Place::Record], "{id} is not stored again");
}

#[tokio::test]
async fn a_job_that_ended_before_its_resend_is_not_stored_again_after_a_restart() {
    enqueue_over_a_restart("random", false).await;
    enqueue_over_a_restart("chosen", true).await;
}

#[tokio::test]
async fn many_jobs_that_ended_before_their_resend_are_not_stored_again_after_a_restart() {
    const MANY: usize = 20;
    let mut server = NatsServer::start().expect("a server");
    let worker = connect_as(&server.url(), PREFIX).await;
    let mut from = subscribe(&worker).await;
    let proxy = ChaosProxy::start(server.address()).await.expect("a proxy");
    let producer = connect_as(&proxy.url(), PREFIX).await;
    let ids: Vec<String> = (0..MANY).map(|n| format!("j{n}")).collect();
    let jobs: Vec<_> = ids.iter().map(|id| job(id, None)).collect();
    // The first of many jobs is sent alone. Once it is answered, the others are sent together.
    proxy.delay(SLOW);
    let publish = tokio::spawn(async move { producer.publish_many(jobs).await });
    end(&worker, fetch(&mut from, 1).await.remove(0)).await;
    let second = fetch(&mut from, 1).await.remove(0);
    proxy.stall(Direction::ToClient);
    end(&worker, second).await;
    for delivery in fetch(&mut from, MANY - 2).await {
        end(&worker, delivery).await;
    }
    let all_ended = async || {
        for id in &ids {
            let found = located(&worker, id).await;
            if found.iter().any(|stored| stored.place != Place::Record) {
                return false;
            }
        }
        true
    };
    eventually("the acks to arrive", TIME_LIMIT, &all_ended).await;
    server.stop().expect("stops");
    server.restart().expect("restarts");
    assert!(!publish.is_finished(), "its answer is lost");
    proxy.cut();
    proxy.heal();
    for receipt in publish.await.expect("the producer ends") {
        assert!(matches!(receipt, Ok(Receipt::Stored(_))), "{receipt:?}");
    }
    assert!(all_ended().await, "stored again");
}

#[tokio::test]
async fn the_first_send_of_a_random_id_costs_one_request_and_of_a_chosen_id_three_look_ups_more() {
    const MANY: u64 = 100;
    let server = NatsServer::start().expect("a server");
    let transport = connect_as(&server.url(), PREFIX).await;
    // Makes the streams.
    drop(subscribe(&transport).await);
    transport.publish(job("first", None)).await.expect("enqueues");
    let statistics = transport.client().statistics();
    let sent = || statistics.out_messages.load(Ordering::Relaxed);
    for (unique, one, many) in [(false, 1, MANY), (true, 4, 3 + 3 + MANY)] {
        let jobs = |name: &str| {
            let ids = (0..MANY).map(|n| format!("{name}-{unique}-{n}"));
            ids.map(|id| Submission { unique, ..job(&id, None) }).collect::<Vec<_>>()
        };
        let (before, began) = (sent(), SystemClock.now());
        for job in jobs("one") {
            transport.publish(job).await.expect("enqueues");
        }
        let each = sent() - before;
        let before = sent();
        let receipts = transport.publish_many(jobs("many")).await;
        assert!(receipts.iter().all(Result::is_ok), "{receipts:?}");
        let together = sent() - before;
        // Once a second the transport looks at the room in the queue, and at the broker's clock.
        let beside = 4 + 2 * SystemClock.now().since(began).as_secs();
        assert!((0..=beside).contains(&(each - MANY * one)), "unique: {unique}, {each}");
        assert!((0..=beside).contains(&(together - many)), "unique: {unique}, {together}");
    }
}
