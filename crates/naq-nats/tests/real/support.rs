//! Connections and jobs for the tests in this directory.

use std::time::Duration;

use bytes::Bytes;
use naq_core::transport::{
    Consumer, Delivery, JobKey, Producer, Receipt, Submission, Subscription,
};
use naq_core::wire::WireMessage;
use naq_core::{JobId, QueueName, Timestamp};
use naq_nats::{NatsConfig, NatsTransport};

/// How long a test waits for one thing before it fails.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(15);
/// The lease of the queues in all tests.
pub(crate) const LEASE: Duration = Duration::from_secs(2);

/// A transport with its own prefix.
pub(crate) async fn connect(url: &str) -> NatsTransport {
    connect_as(url, naq_testing::unique("t")).await
}

/// A transport with this prefix.
pub(crate) async fn connect_as(url: &str, prefix: impl Into<String>) -> NatsTransport {
    let config = NatsConfig::new(url).prefix(prefix);
    NatsTransport::connect(config).await.expect("a transport")
}

pub(crate) fn queue() -> QueueName {
    QueueName::default()
}

pub(crate) fn key(id: &str) -> JobKey {
    JobKey::new(queue(), JobId::new(id).expect("an id"))
}

pub(crate) fn message() -> WireMessage {
    WireMessage::new(Bytes::from_static(br#"{"task":"t"}"#))
}

/// A job that is due at `due_at`, or now.
pub(crate) fn job(id: &str, due_at: Option<Timestamp>) -> Submission {
    let step = format!("{}/1/0", naq_testing::unique("n"));
    Submission {
        key: key(id),
        due_at,
        dedup: id.to_owned(),
        unique: false,
        message: message().with("Naq-Step", step),
    }
}

/// Enqueues a job and returns its sequence.
pub(crate) async fn enqueue(transport: &NatsTransport, id: &str) -> u64 {
    match transport.publish(job(id, None)).await.expect("enqueues") {
        Receipt::Stored(seq) => seq,
        Receipt::Duplicate => panic!("{id} exists already"),
    }
}

pub(crate) async fn subscribe(transport: &NatsTransport) -> Box<dyn Subscription> {
    transport.subscribe(&queue(), LEASE).await.expect("subscribes")
}

/// Fetches until `count` deliveries have arrived.
pub(crate) async fn fetch(from: &mut Box<dyn Subscription>, count: usize) -> Vec<Delivery> {
    let mut found = Vec::new();
    let all = async {
        while found.len() < count {
            let wanted = count - found.len();
            match from.fetch(wanted, Duration::from_secs(1)).await {
                Ok(more) => found.extend(more),
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
        }
    };
    let done = tokio::time::timeout(TIME_LIMIT, all).await.is_ok();
    assert!(done, "{} of {count} jobs arrived", found.len());
    found
}

pub(crate) fn ids(deliveries: &[Delivery]) -> Vec<String> {
    let mut ids: Vec<_> = deliveries.iter().map(|d| d.stored.key.id.to_string()).collect();
    ids.sort();
    ids
}
