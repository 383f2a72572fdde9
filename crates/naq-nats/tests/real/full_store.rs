//! Stores that are full: JetStream's own limit, and the disk.

use std::time::Duration;

use naq_core::JobState;
use naq_core::transport::{
    Consumer, Fact, FactKind, Operator, ProbeAnswer, Producer, Settler, StoreProbe, TransportError,
    Written,
};
use naq_core::wire::Nonce;
use naq_nats::{Finding, Level, NatsConfig, NatsTransport};
use naq_testing::NatsServer;

use crate::support::{LEASE, enqueue, fetch, job, key, message, queue, subscribe};

const STORE_BYTES: u64 = 4 * 1024 * 1024;

async fn connect(server: &NatsServer) -> NatsTransport {
    let mut config = NatsConfig::new(server.url());
    config.answer_timeout = Duration::from_secs(1);
    config.request_timeout = Duration::from_millis(1_200);
    NatsTransport::connect(config).await.expect("connects")
}

/// Stores jobs of 100 kB, and then smaller ones, until none fits. Returns the last error.
async fn fill(transport: &NatsTransport) -> TransportError {
    let mut last = None;
    for size in [100_000, 1_000, 1] {
        for n in 0.. {
            let mut job = job(&format!("fill-{size}-{n}"), None);
            job.message.body = vec![b'x'; size].into();
            if let Err(error) = transport.publish(job).await {
                last = Some(error);
                break;
            }
        }
    }
    last.expect("it is full")
}

/// The finding about whether a stream stores.
async fn store_finding(transport: &NatsTransport, stream: &str) -> Finding {
    let check = format!("store {stream}");
    let found = transport.diagnose().await;
    found.into_iter().find(|finding| finding.check == check).expect("checked")
}

async fn faults(transport: &NatsTransport) -> Vec<StoreProbe> {
    let probes = transport.probe_stores(Some(&queue())).await.expect("probes");
    probes.into_iter().filter(|probe| probe.answer.is_fault()).collect()
}

#[tokio::test]
async fn a_full_file_store_is_named_and_takes_jobs_again_when_there_is_room() {
    let server = NatsServer::builder().max_file_store(STORE_BYTES).start().expect("a server");
    let transport = connect(&server).await;
    drop(subscribe(&transport).await);
    assert_eq!(faults(&transport).await, []);
    let error = fill(&transport).await;
    assert!(matches!(error, TransportError::StoreFull { .. }), "{error}");
    assert!(error.to_string().contains("max_file_store"), "{error}");
    assert!(error.is_transient());
    let found = store_finding(&transport, "NAQ_Q_default").await;
    assert_eq!(found.level, Level::Fail, "{found:?}");
    assert!(found.detail.contains("max_file_store"), "{found:?}");
    let full = |probe: &StoreProbe| matches!(probe.answer, ProbeAnswer::Full(_));
    assert!(faults(&transport).await.iter().all(full));
    transport.purge(&queue()).await.expect("makes room");
    enqueue(&transport, "again").await;
    assert_eq!(faults(&transport).await, []);
}

#[tokio::test]
async fn a_record_that_does_not_fit_tells_whether_other_jobs_wait_for_it() {
    let server = NatsServer::builder().max_file_store(STORE_BYTES).start().expect("a server");
    let transport = connect(&server).await;
    let mut from = transport.subscribe(&queue(), LEASE).await.expect("subscribes");
    for id in ["alone", "awaited"] {
        enqueue(&transport, id).await;
    }
    let held = fetch(&mut from, 2).await;
    let life = |id: &str| -> Nonce {
        let one = held.iter().find(|it| it.stored.key.id.as_str() == id).expect("fetched");
        one.stored.step().nonce
    };
    transport.await_end(&key("awaited"), &life("awaited")).await.expect("marks it");
    fill(&transport).await;
    for (id, expected) in [("alone", false), ("awaited", true)] {
        let one = held.iter().find(|it| it.stored.key.id.as_str() == id).expect("fetched");
        let record = Fact {
            key: key(id),
            kind: FactKind::Record { ttl: Duration::from_secs(60), state: JobState::Completed },
            dedup: format!("{id}/completed"),
            settles: one.stored.seq,
            message: message().with("Naq-Step", one.stored.step().to_string()),
        };
        let refused = transport.write(&record).await;
        let Err(TransportError::StoreFull { awaited, .. }) = refused else {
            panic!("{id}: {refused:?}");
        };
        assert_eq!(awaited, Some(expected), "{id}");
    }
    // The ack of a job needs no room, and makes some.
    for one in &held {
        one.handle.ack().await.expect("acks");
    }
    transport.purge(&queue()).await.expect("makes room");
    let record = Fact {
        key: key("alone"),
        kind: FactKind::Record { ttl: Duration::from_secs(60), state: JobState::Completed },
        dedup: "alone/completed".into(),
        settles: 1,
        message: message().with("Naq-Step", "n/1/0"),
    };
    assert_eq!(transport.write(&record).await.expect("fits"), Written::Stored);
}

/// The size of a file is limited, which freezes a stream as a full disk does: the server logs a critical
/// write error, and answers no store from then on.
#[tokio::test]
async fn a_stream_that_froze_on_a_full_disk_is_found_and_works_after_a_restart() {
    let mut server = NatsServer::start().expect("a server");
    let transport = connect(&server).await;
    drop(subscribe(&transport).await);
    server.limit_file_size(Some(512 * 1024)).expect("limits");
    let error = fill(&transport).await;
    assert!(matches!(error, TransportError::Timeout { .. }), "{error}");
    // Space alone does not help.
    server.limit_file_size(None).expect("lifts the limit");
    let found = store_finding(&transport, "NAQ_Q_default").await;
    assert_eq!(found.level, Level::Fail, "{found:?}");
    let next = found.next_step.expect("a way out");
    assert!(next.contains("restart the server"), "{next}");
    // Only the stream that met the full disk is frozen.
    let faults = faults(&transport).await;
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(
        (faults[0].stream.as_str(), &faults[0].answer),
        ("NAQ_Q_default", &ProbeAnswer::Silent)
    );
    assert_eq!(store_finding(&transport, "NAQ_RECORDS").await.level, Level::Ok);
    server.restart().expect("starts");
    let transport = connect(&server).await;
    assert_eq!(store_finding(&transport, "NAQ_Q_default").await.level, Level::Ok);
    enqueue(&transport, "again").await;
}

#[tokio::test]
async fn a_probe_leaves_nothing_behind() {
    let server = NatsServer::start().expect("a server");
    let transport = connect(&server).await;
    drop(subscribe(&transport).await);
    transport.diagnose().await;
    for probe in transport.probe_stores(None).await.expect("probes") {
        assert_eq!(probe.answer, ProbeAnswer::Stored, "{probe:?}");
    }
    let client = async_nats::connect(server.url()).await.expect("connects");
    let jetstream = async_nats::jetstream::new(client);
    for stream in ["NAQ_Q_default", "NAQ_DEAD", "NAQ_RECORDS", "NAQ_STATE"] {
        let mut stream = jetstream.get_stream(stream).await.expect("there");
        let state = &stream.info().await.expect("described").state;
        assert_eq!(state.messages, 0, "{state:?}");
    }
}
