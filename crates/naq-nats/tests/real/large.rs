//! Large jobs: what is under way is bounded, so the broker does not drop a client that reads slowly.

use std::time::Duration;

use bytes::Bytes;
use naq_core::transport::{JobsQuery, Lookup, Place, Producer, Submission};
use naq_core::wire::WireMessage;
use naq_nats::NatsTransport;
use naq_testing::{ChaosProxy, Direction, NatsServer, unique};

use crate::support::{TIME_LIMIT, connect_as, fetch, ids, job, key, subscribe};

/// More than a nats-server keeps for one client (64 MiB), even with what the sockets on the way take.
const JOBS: usize = 180;
const SIZE: usize = 500_000;
/// In this time the broker sends all that it was asked for.
const STALLED: Duration = Duration::from_millis(1500);

fn large_job(id: &str, size: usize) -> Submission {
    let body = format!(r#"{{"task":"t","args":"{}"}}"#, "x".repeat(size));
    let step = format!("{}/1/0", unique("n"));
    Submission {
        message: WireMessage::new(Bytes::from(body)).with("Naq-Step", step),
        ..job(id, None)
    }
}

async fn enqueue_large(transport: &NatsTransport) -> Vec<String> {
    let ids: Vec<_> = (0..JOBS).map(|n| format!("j{n:03}")).collect();
    for part in ids.chunks(20) {
        let jobs = part.iter().map(|id| large_job(id, SIZE)).collect();
        for receipt in transport.publish_many(jobs).await {
            receipt.expect("enqueues");
        }
    }
    ids
}

fn dropped_clients(server: &NatsServer) -> usize {
    let log = std::fs::read_to_string(server.log_path()).expect("a log");
    log.matches("Slow Consumer").count()
}

#[tokio::test]
async fn a_worker_that_reads_slowly_gets_each_large_job_once() {
    let server = NatsServer::start().expect("a server");
    let proxy = ChaosProxy::start(server.address()).await.expect("a proxy");
    let expected = enqueue_large(&connect_as(&server.url(), "t").await).await;
    let transport = connect_as(&proxy.url(), "t").await;
    let mut from = subscribe(&transport).await;
    proxy.stall(Direction::ToClient);
    assert!(from.fetch(JOBS, STALLED).await.expect("asks").is_empty());
    proxy.heal();
    let mut found = Vec::new();
    while found.len() < JOBS {
        for delivery in fetch(&mut from, 1).await {
            assert_eq!(delivery.delivered, 1, "{} came again", delivery.stored.key);
            delivery.handle.ack().await.expect("acks");
            found.push(delivery);
        }
    }
    assert_eq!((ids(&found), dropped_clients(&server)), (expected, 0));
}

#[tokio::test]
async fn a_client_that_reads_slowly_can_look_up_and_list_many_large_jobs() {
    let server = NatsServer::start().expect("a server");
    let proxy = ChaosProxy::start(server.address()).await.expect("a proxy");
    let expected = enqueue_large(&connect_as(&server.url(), "t").await).await;
    let transport = connect_as(&proxy.url(), "t").await;
    let keys: Vec<_> = expected.iter().map(|id| key(id)).collect();
    let (evidence, pages) = {
        proxy.stall(Direction::ToClient);
        let query = JobsQuery { limit: JOBS, ..JobsQuery::at(Place::Queue) };
        let reads = async { tokio::join!(transport.evidence(&keys), transport.jobs(&query)) };
        let mut reads = Box::pin(reads);
        assert!(tokio::time::timeout(STALLED, &mut reads).await.is_err(), "nothing arrives");
        proxy.heal();
        tokio::time::timeout(TIME_LIMIT, reads).await.expect("in time")
    };
    let evidence = evidence.expect("looks up");
    assert!(evidence.iter().all(|found| found.len() == 1), "each job has its message");
    assert!(!pages.expect("lists").jobs.is_empty());
    assert_eq!(dropped_clients(&server), 0);
}

#[tokio::test]
async fn a_job_larger_than_the_broker_takes_now_is_still_delivered() {
    let eight_mib = 8 * 1024 * 1024;
    let mut server = NatsServer::builder().max_payload(eight_mib).start().expect("a server");
    let transport = connect_as(&server.url(), "t").await;
    transport.publish(large_job("large", 7 * 1024 * 1024)).await.expect("enqueues");
    transport.publish(large_job("small", 10)).await.expect("enqueues");
    server.stop().expect("stops");
    server.add_config("max_payload: 1048576").expect("writes");
    server.restart().expect("restarts");
    let transport = connect_as(&server.url(), "t").await;
    let mut from = subscribe(&transport).await;
    assert_eq!(ids(&fetch(&mut from, 2).await), ["large", "small"]);
}
