//! NAQ's streams and consumers. They are created if they are missing and this user may create them.
//! Existing ones are never changed.

use std::num::NonZeroU64;
use std::time::Duration;

use async_nats::jetstream::consumer::{self, AckPolicy, DeliverPolicy};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use naq_core::names::CHORES;
use naq_core::transport::{Place, STATS_TTL, StreamRole, TransportError};
use naq_core::{QueueName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::api::Api;
use crate::config::Storage;
use crate::error::ApiError;
use crate::error_codes::{
    CONSUMER_EXISTS, CONSUMER_NOT_FOUND, STREAM_NAME_IN_USE, STREAM_NOT_FOUND,
};
use crate::subjects::{CONSUMER, StatePart, api};

/// How long the broker remembers a message id. The same id is stored once within this time.
pub(crate) const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// How many bytes of statistics the broker stores. It removes the oldest reports first. This holds
/// one day of about thirty busy workers, at 3 KiB a minute. There is a bound because ten thousand
/// workers, or many short-lived ones, would fill the disk. It is not higher because the broker
/// reserves the space.
const STATS_MAX_BYTES: i64 = 128 * 1024 * 1024;

/// How long the broker keeps an entry of the audit log: 30 days.
const AUDIT_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The streams that all queues share.
pub(crate) const SHARED: [StreamRole; 8] = [
    StreamRole::Dead,
    StreamRole::Records,
    StreamRole::Workers,
    StreamRole::State,
    StreamRole::Keys,
    StreamRole::Audit,
    StreamRole::Blobs,
    StreamRole::Stats,
];

/// The lease of a queue that is opened without one.
pub(crate) const DEFAULT_LEASE: Duration = Duration::from_secs(10);

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

/// The limit as the broker writes it.
pub(crate) fn max_ack_pending(limit: Option<NonZeroU64>) -> i64 {
    limit.map_or(-1, |limit| i64::try_from(limit.get()).unwrap_or(i64::MAX))
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct DeliveredInfo {
    /// The consumer's own number of its newest delivery.
    #[serde(default)]
    pub(crate) consumer_seq: u64,
    pub(crate) stream_seq: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct CreateConsumer<'a> {
    pub(crate) stream_name: &'a str,
    pub(crate) config: &'a consumer::Config,
    pub(crate) action: &'static str,
}

impl Api {
    fn stream_config(&self, name: String, subjects: Vec<String>) -> Config {
        Config {
            name,
            subjects,
            discard: DiscardPolicy::Old,
            duplicate_window: DUPLICATE_WINDOW,
            allow_direct: true,
            num_replicas: self.config.replicas.max(1),
            storage: match self.config.storage {
                Storage::File => StorageType::File,
                Storage::Memory => StorageType::Memory,
            },
            ..Config::default()
        }
    }

    pub(crate) fn queue_config(&self, queue: &QueueName) -> Config {
        let subjects = [Place::Queue, Place::Schedule].map(|p| self.subjects.of_queue(p, queue));
        Config {
            retention: RetentionPolicy::WorkQueue,
            allow_message_schedules: true,
            allow_message_ttl: true,
            ..self.stream_config(self.subjects.queue_stream(queue), subjects.into())
        }
    }

    pub(crate) fn dead_config(&self) -> Config {
        let subjects = vec![self.subjects.of_all(Place::Dead)];
        self.stream_config(self.subjects.dead_stream(), subjects)
    }

    pub(crate) fn records_config(&self) -> Config {
        let subjects = vec![self.subjects.of_all(Place::Record)];
        Config {
            allow_message_ttl: true,
            max_messages_per_subject: 1,
            ..self.stream_config(self.subjects.records_stream(), subjects)
        }
    }

    pub(crate) fn workers_config(&self) -> Config {
        let subjects = vec![self.subjects.all_workers()];
        Config {
            allow_message_ttl: true,
            max_messages_per_subject: 1,
            storage: StorageType::Memory,
            ..self.stream_config(self.subjects.workers_stream(), subjects)
        }
    }

    pub(crate) fn state_config(&self) -> Config {
        self.part_config(StatePart::Shared)
    }

    /// The settings of the stream of this part of the state store.
    pub(crate) fn part_config(&self, part: StatePart) -> Config {
        let subjects = vec![self.subjects.all_states(part)];
        let config = self.stream_config(self.subjects.state_stream(part), subjects);
        match part {
            StatePart::Shared => Self::shared_config(config),
            // Without delete markers, which would force the broker to accept `Nats-Rollup`, with which a
            // producer could empty the stream. An entry that is there again after a crash of the broker
            // names a holder, and who finds it looks whether that job still holds the key.
            StatePart::Keys => {
                Config { allow_message_ttl: true, max_messages_per_subject: 1, ..config }
            }
            // One entry a subject, and the broker refuses a second one.
            StatePart::Audit => Config {
                max_age: AUDIT_TTL,
                max_messages_per_subject: 1,
                discard: DiscardPolicy::New,
                discard_new_per_subject: true,
                deny_delete: true,
                deny_purge: true,
                ..config
            },
        }
    }

    fn shared_config(config: Config) -> Config {
        Config {
            allow_message_ttl: true,
            max_messages_per_subject: 1,
            // The broker then writes a delete marker when an entry expires, which watches receive.
            // One second is its minimum.
            subject_delete_marker_ttl: Some(Duration::from_secs(1)),
            ..config
        }
    }

    pub(crate) fn blobs_config(&self) -> Config {
        let subjects = vec![self.subjects.all_blobs()];
        Config {
            allow_message_ttl: true,
            max_messages_per_subject: 1,
            ..self.stream_config(self.subjects.blobs_stream(), subjects)
        }
    }

    pub(crate) fn stats_config(&self) -> Config {
        let subjects = vec![self.subjects.all_stats()];
        Config {
            max_messages_per_subject: 1,
            max_age: STATS_TTL,
            max_bytes: STATS_MAX_BYTES,
            ..self.stream_config(self.subjects.stats_stream(), subjects)
        }
    }

    /// The settings of the stream that stores the messages of this place.
    pub(crate) fn config_of(&self, place: Place, queue: &QueueName) -> Config {
        match place {
            Place::Queue | Place::Schedule => self.queue_config(queue),
            Place::Dead => self.dead_config(),
            Place::Record => self.records_config(),
        }
    }

    /// The settings of the stream with this role.
    pub(crate) fn config_of_role(&self, role: &StreamRole) -> Config {
        match role {
            StreamRole::Queue(queue) => self.queue_config(queue),
            StreamRole::Dead => self.dead_config(),
            StreamRole::Records => self.records_config(),
            StreamRole::Workers => self.workers_config(),
            StreamRole::State => self.part_config(StatePart::Shared),
            StreamRole::Keys => self.part_config(StatePart::Keys),
            StreamRole::Audit => self.part_config(StatePart::Audit),
            StreamRole::Blobs => self.blobs_config(),
            _ => self.stats_config(),
        }
    }

    fn consumer_config(&self, queue: &QueueName, lease: Duration) -> consumer::Config {
        consumer::Config {
            durable_name: Some(CONSUMER.to_owned()),
            name: Some(CONSUMER.to_owned()),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: lease,
            // The broker must never give up a job. That is the worker's decision.
            max_deliver: -1,
            max_ack_pending: max_ack_pending(self.config.concurrency_limit),
            filter_subject: self.subjects.of_queue(Place::Queue, queue),
            ..consumer::Config::default()
        }
    }

    /// Describes a stream; `None` if it does not exist. Also compares the clocks.
    pub(crate) async fn stream_info(&self, stream: &str) -> Result<Option<StreamInfo>, ApiError> {
        let asked = self.config.clock.now();
        let answer = self.call_with_retry(&api::stream_info(stream), &()).await;
        let info: StreamInfo = match answer {
            Ok(info) => info,
            Err(error) if error.is(STREAM_NOT_FOUND) => return Ok(None),
            Err(error) => return Err(error),
        };
        if let Some(broker) = info.broker_now() {
            self.offset.measured(asked, broker, self.config.clock.now());
        }
        Ok(Some(info))
    }

    /// Describes a queue's consumer; `None` if it does not exist.
    pub(crate) async fn consumer_info(
        &self,
        queue: &QueueName,
    ) -> Result<Option<ConsumerInfo>, ApiError> {
        let stream = self.subjects.queue_stream(queue);
        match self.call_with_retry(&api::consumer_info(&stream), &()).await {
            Ok(info) => Ok(Some(info)),
            Err(error) if error.is(CONSUMER_NOT_FOUND) || error.is(STREAM_NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes sure that the stream exists and has the settings that NAQ needs. Returns true if it
    /// was created now. Returns false if this user may not read its description; a later request
    /// then shows whether it exists.
    pub(crate) async fn ensure_stream(&self, wanted: &Config) -> Result<bool, TransportError> {
        match self.stream_info(&wanted.name).await {
            Ok(Some(info)) => check_echo(wanted, &info.config).map(|()| false),
            Ok(None) => self.create_stream(wanted).await,
            Err(error) if error.is_permission() => Ok(false),
            Err(error) => Err(error.into_transport("describe a stream", self.url())),
        }
    }

    async fn create_stream(&self, wanted: &Config) -> Result<bool, TransportError> {
        let fail = |error: ApiError| error.into_transport("read the replicas", self.url());
        let wanted = &self.with_replicas(wanted).await.map_err(fail)?;
        let created = self.call_with_retry(&api::stream_create(&wanted.name), wanted).await;
        let info: StreamInfo = match created {
            Ok(info) => info,
            // Another process has created it in the meantime.
            Err(error) if error.is(STREAM_NAME_IN_USE) => return Ok(true),
            Err(error) if error.is_permission() => {
                return Err(match self.subjects.queue_of_stream(&wanted.name) {
                    Some(queue) => TransportError::NoQueue(queue.to_string()),
                    None => TransportError::Rejected {
                        what: format!("create the stream {}", wanted.name),
                        reason: "this user may not create streams; start one worker with a user \
                                 that may (see docs/operating.md)"
                            .into(),
                    },
                });
            }
            Err(error) => return Err(self.create_error(wanted, error)),
        };
        tracing::info!(stream = wanted.name, replicas = wanted.num_replicas, "created");
        if let Some(queue) = self.subjects.queue_of_stream(&wanted.name)
            && !info.is_clustered()
        {
            self.make_uptime(&queue).await;
        }
        check_echo(wanted, &info.config).map(|()| true)
    }

    /// Like [`ensure_stream`](Self::ensure_stream), for the queue's stream.
    pub(crate) async fn ensure_queue(&self, queue: &QueueName) -> Result<bool, TransportError> {
        self.ensure_stream(&self.queue_config(queue)).await
    }

    /// Makes sure that all streams exist that jobs of this queue need, with the consumers of the queue and
    /// of the chores.
    pub(crate) async fn create_all_streams(&self, queue: &QueueName) -> Result<(), TransportError> {
        for role in SHARED {
            self.ensure_stream(&self.config_of_role(&role)).await?;
        }
        for queue in [Some(queue.clone()), QueueName::new(CHORES).ok()].into_iter().flatten() {
            self.ensure_queue(&queue).await?;
            self.ensure_consumer(&queue, DEFAULT_LEASE).await?;
        }
        Ok(())
    }

    /// Makes sure that the queue has its consumer. Returns its lease and limit.
    pub(crate) async fn ensure_consumer(
        &self,
        queue: &QueueName,
        lease: Duration,
    ) -> Result<ConsumerTerms, TransportError> {
        let stream = self.subjects.queue_stream(queue);
        let requested = ConsumerTerms { lease, limit: None };
        let fail = |error: ApiError| error.into_transport("open the queue", self.url());
        match self.consumer_info(queue).await {
            Ok(Some(info)) => return Ok(info.terms()),
            Ok(None) => {}
            Err(error) if error.is_permission() => return Ok(requested),
            Err(error) => return Err(fail(error)),
        }
        let config = self.consumer_config(queue, lease);
        let request = CreateConsumer { stream_name: &stream, config: &config, action: "create" };
        let subject = api::consumer_create(&stream, CONSUMER, &config.filter_subject);
        match self.call_with_retry::<_, ConsumerInfo>(&subject, &request).await {
            Ok(info) => Ok(info.terms()),
            Err(error) if CONSUMER_EXISTS.iter().any(|code| error.is(*code)) => {
                let info = self.consumer_info(queue).await.map_err(fail)?;
                Ok(info.map_or(requested, |info| info.terms()))
            }
            Err(error) if error.is_permission() || error.is(STREAM_NOT_FOUND) => {
                Err(TransportError::NoQueue(queue.to_string()))
            }
            Err(error) => Err(fail(error)),
        }
    }
}

/// The settings in `found` that NAQ cannot work with. Replicas and storage are the operator's
/// decision. [`evictions`](crate::evictions) looks at the limits.
pub(crate) fn drift(wanted: &Config, found: &Config) -> Vec<String> {
    let mut drift = Vec::new();
    let mut need = |holds: bool, what: &str| {
        if !holds {
            drift.push(what.to_owned());
        }
    };
    let schedules = found.allow_message_schedules || !wanted.allow_message_schedules;
    need(schedules, "allow_msg_schedules is off: delays and retries would be lost");
    let ttl = found.allow_message_ttl || !wanted.allow_message_ttl;
    need(ttl, "allow_msg_ttl is off: messages would never expire");
    let marks = found.subject_delete_marker_ttl.is_some_and(|ttl| !ttl.is_zero());
    let marks = marks || wanted.subject_delete_marker_ttl.is_none();
    need(marks, "subject_delete_marker_ttl is off: watches would not see that entries expire");
    need(found.allow_direct, "allow_direct is off: jobs could not be looked up");
    need(found.retention == wanted.retention, "the retention policy is different");
    let all = wanted.subjects.iter().all(|subject| found.subjects.contains(subject));
    need(all, "some subjects are missing");
    drift
}

pub(crate) fn check_echo(wanted: &Config, found: &Config) -> Result<(), TransportError> {
    let drift = drift(wanted, found);
    if drift.is_empty() {
        return Ok(());
    }
    Err(TransportError::Unsupported {
        found: format!("the stream {}", wanted.name),
        needs: format!(
            "{} (a server older than 2.14 ignores such settings and reports no error)",
            drift.join("; ")
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_without_the_needed_settings_is_refused() {
        let wanted = Config {
            name: "NAQ_Q_mail".into(),
            subjects: vec!["naq.q.mail.>".into()],
            allow_message_schedules: true,
            allow_direct: true,
            ..Config::default()
        };
        assert_eq!(drift(&wanted, &wanted), [""; 0]);
        let larger = Config { max_bytes: 1 << 30, num_replicas: 3, ..wanted.clone() };
        check_echo(&wanted, &larger).expect("limits are the operator's");
        let old = Config { allow_message_schedules: false, ..wanted.clone() };
        let text = check_echo(&wanted, &old).expect_err("no schedules").to_string();
        assert!(text.contains("NAQ_Q_mail") && text.contains("allow_msg_schedules"), "{text}");
    }
}
