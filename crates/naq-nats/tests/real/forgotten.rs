//! The broker forgets running jobs after another program purged the subject of one of them.

use naq_core::transport::{Consumer, Delivery, Fact, Lookup, Settler, StreamRole, Written};
use naq_nats::{Level, NatsTransport};
use naq_testing::{NatsServer, eventually};

use crate::support::{TIME_LIMIT, connect_as, enqueue, fetch, ids, queue, subscribe};

const PREFIX: &str = "t";

/// Purges a subject, as the command line of NATS does.
async fn purge_by_hand(server: &NatsServer, id: &str) {
    let client = async_nats::connect(server.url()).await.expect("connects");
    let ask = format!("{{\"filter\":\"{PREFIX}.q.default.{id}\"}}");
    let answer = client.request("$JS.API.STREAM.PURGE.T_Q_default", ask.into()).await;
    let answer = String::from_utf8(answer.expect("an answer").payload.to_vec()).expect("text");
    assert!(answer.contains("\"purged\":1"), "{answer}");
}

async fn found(transport: &NatsTransport) -> Vec<Delivery> {
    transport.forgotten(&queue()).await.expect("looks")
}

#[tokio::test]
async fn forgotten_jobs_are_found_counted_and_stored_again() {
    let mut server = NatsServer::start().expect("a server");
    let transport = connect_as(&server.url(), PREFIX).await;
    let mut from = subscribe(&transport).await;
    for id in ["a", "b", "c", "d"] {
        enqueue(&transport, id).await;
    }
    fetch(&mut from, 4).await;
    assert!(found(&transport).await.is_empty(), "all is well");
    purge_by_hand(&server, "d").await;
    enqueue(&transport, "e").await;
    fetch(&mut from, 1).await[0].handle.ack().await.expect("acks");
    eventually("the ack to arrive", TIME_LIMIT, async || {
        let info = transport.queue_info(&queue()).await.expect("looks").expect("a queue");
        info.running == 3
    })
    .await;
    assert!(found(&transport).await.is_empty(), "the broker knows them until it restarts");
    server.stop().expect("stops");
    server.restart().expect("restarts");

    eventually("the jobs to be forgotten", TIME_LIMIT, async || {
        transport.forgotten(&queue()).await.is_ok_and(|found| ids(&found) == ["a", "b", "c"])
    })
    .await;
    assert_eq!(reported(&transport).await, (3, 3, Level::Warn));
    for forgotten in found(&transport).await {
        assert!(forgotten.suspect);
        let mut fact = Fact::give_back(&forgotten.stored, None).expect("encodes");
        fact.message = fact.message.as_suspect();
        assert_eq!(transport.write(&fact).await.expect("writes"), Written::Stored);
        // As a worker that crashed before its ack: it is stored once.
        assert_eq!(transport.write(&fact).await.expect("writes"), Written::Stored);
        forgotten.handle.ack().await.expect("acks");
    }
    let again = fetch(&mut from, 3).await;
    assert_eq!(ids(&again), ["a", "b", "c"]);
    assert!(again.iter().all(|delivery| delivery.suspect && delivery.delivered == 1));
    eventually("the old messages to go", TIME_LIMIT, async || {
        reported(&transport).await == (0, 0, Level::Ok)
    })
    .await;
    for delivery in again {
        delivery.handle.ack().await.expect("acks");
    }
    eventually("the queue to be empty", TIME_LIMIT, async || {
        let info = transport.queue_info(&queue()).await.expect("looks").expect("a queue");
        info.pending + info.running == 0
    })
    .await;
}

/// What the reports on the queue, on its stream and the checks of the doctor say.
async fn reported(transport: &NatsTransport) -> (u64, u64, Level) {
    let info = transport.queue_info(&queue()).await.expect("looks").expect("a queue");
    let streams = transport.streams().await.expect("looks");
    let stream = streams.iter().find(|it| it.role == StreamRole::Queue(queue()));
    let consumer = stream.expect("a stream").consumer.clone().expect("a consumer");
    let findings = transport.diagnose().await;
    let finding = findings.iter().find(|it| it.check == "queue default").expect("a finding");
    (info.forgotten, consumer.forgotten, finding.level)
}
