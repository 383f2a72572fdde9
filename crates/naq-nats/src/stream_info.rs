//! What the broker says of a stream and of a consumer: the fields that NAQ uses.

use std::time::Duration;

use async_nats::jetstream::consumer;
use async_nats::jetstream::stream::Config;
use naq_core::Timestamp;
use serde::{Deserialize, Serialize};

/// The fields of a stream's description that NAQ uses.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct StreamInfo {
    pub(crate) config: Config,
    pub(crate) state: StreamState,
    /// The broker's clock when it replied.
    #[serde(default)]
    ts: Option<String>,
    #[serde(default)]
    cluster: Option<StreamCluster>,
}

#[derive(Debug, Clone, Deserialize)]
struct StreamCluster {
    /// Missing on a single broker.
    #[serde(default)]
    name: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct StreamState {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    #[serde(default)]
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
}

impl StreamInfo {
    pub(crate) fn broker_now(&self) -> Option<Timestamp> {
        self.ts.as_deref()?.parse().ok()
    }

    /// Whether the stream is in a cluster, where another server may take it over.
    pub(crate) fn is_clustered(&self) -> bool {
        self.cluster.as_ref().is_some_and(|cluster| cluster.name.is_some())
    }
}

/// The fields of a consumer's description that NAQ uses.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ConsumerInfo {
    /// When it was made, as the broker writes it.
    #[serde(default)]
    pub(crate) created: String,
    pub(crate) config: consumer::Config,
    pub(crate) delivered: DeliveredInfo,
    /// Everything up to this sequence is acked, as far as the consumer knows.
    pub(crate) ack_floor: DeliveredInfo,
    pub(crate) num_ack_pending: u64,
    pub(crate) num_pending: u64,
    #[serde(default)]
    pub(crate) num_redelivered: u64,
    #[serde(default)]
    pub(crate) num_waiting: u64,
    #[serde(default)]
    pub(crate) paused: bool,
}

/// The lease and the limit of a queue's consumer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConsumerTerms {
    pub(crate) lease: Duration,
    /// How many deliveries all workers may hold together.
    pub(crate) limit: Option<u64>,
}

impl ConsumerInfo {
    pub(crate) fn terms(&self) -> ConsumerTerms {
        let limit = u64::try_from(self.config.max_ack_pending).ok().filter(|limit| *limit > 0);
        ConsumerTerms { lease: self.config.ack_wait, limit }
    }
}

/// A place in the deliveries of a consumer, and in its stream.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct DeliveredInfo {
    /// The consumer's own number of its newest delivery.
    #[serde(default)]
    pub(crate) consumer_seq: u64,
    pub(crate) stream_seq: u64,
}

/// The request that makes a consumer.
#[derive(Debug, Serialize)]
pub(crate) struct CreateConsumer<'a> {
    pub(crate) stream_name: &'a str,
    pub(crate) config: &'a consumer::Config,
    pub(crate) action: &'static str,
}
