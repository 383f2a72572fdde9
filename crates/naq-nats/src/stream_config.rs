//! The settings of NAQ's streams and consumers, and how those that exist may differ from them.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::time::Duration;

use async_nats::jetstream::consumer::{self, AckPolicy, DeliverPolicy};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use naq_core::QueueName;
use naq_core::transport::{Place, STATS_TTL, StreamRole, TransportError};

use crate::api::Api;
use crate::config::{NatsConfig, Storage};
use crate::schema::{self, Schema};
use crate::subjects::{CONSUMER, StatePart, Subjects, UPTIME};

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

/// The limit as the broker writes it.
pub(crate) fn max_ack_pending(limit: Option<NonZeroU64>) -> i64 {
    limit.map_or(-1, |limit| i64::try_from(limit.get()).unwrap_or(i64::MAX))
}

/// The settings of all streams and consumers under one prefix.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamConfigs<'a> {
    subjects: &'a Subjects,
    config: &'a NatsConfig,
}

impl Api {
    pub(crate) fn configs(&self) -> StreamConfigs<'_> {
        StreamConfigs { subjects: &self.subjects, config: &self.config }
    }
}

impl StreamConfigs<'_> {
    fn stream_config(&self, name: String, subjects: Vec<String>, schema: Schema) -> Config {
        Config {
            name,
            subjects,
            metadata: schema.metadata(),
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
            ..self.stream_config(self.subjects.queue_stream(queue), subjects.into(), schema::QUEUE)
        }
    }

    pub(crate) fn dead_config(&self) -> Config {
        let subjects = vec![self.subjects.of_all(Place::Dead)];
        self.stream_config(self.subjects.dead_stream(), subjects, schema::DEAD)
    }

    pub(crate) fn records_config(&self) -> Config {
        let subjects = vec![self.subjects.of_all(Place::Record)];
        Config {
            allow_message_ttl: true,
            max_messages_per_subject: 1,
            ..self.stream_config(self.subjects.records_stream(), subjects, schema::RECORDS)
        }
    }

    pub(crate) fn workers_config(&self) -> Config {
        let subjects = vec![self.subjects.all_workers()];
        Config {
            allow_message_ttl: true,
            max_messages_per_subject: 1,
            storage: StorageType::Memory,
            ..self.stream_config(self.subjects.workers_stream(), subjects, schema::WORKERS)
        }
    }

    pub(crate) fn state_config(&self) -> Config {
        self.part_config(StatePart::Shared)
    }

    /// The settings of the stream of this part of the state store.
    pub(crate) fn part_config(&self, part: StatePart) -> Config {
        let subjects = vec![self.subjects.all_states(part)];
        let schema = schema::of_part(part);
        let config = self.stream_config(self.subjects.state_stream(part), subjects, schema);
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
            // Each write rolls up its subject instead (ADR 0064).
            allow_rollup: true,
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
            ..self.stream_config(self.subjects.blobs_stream(), subjects, schema::BLOBS)
        }
    }

    pub(crate) fn stats_config(&self) -> Config {
        let subjects = vec![self.subjects.all_stats()];
        Config {
            max_messages_per_subject: 1,
            max_age: STATS_TTL,
            max_bytes: STATS_MAX_BYTES,
            ..self.stream_config(self.subjects.stats_stream(), subjects, schema::STATS)
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

    pub(crate) fn consumer_config(&self, queue: &QueueName, lease: Duration) -> consumer::Config {
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

    /// The consumer that delivers nothing. `metadata` is what it says; see [`uptime`](crate::uptime).
    pub(crate) fn uptime_config(
        &self,
        queue: &QueueName,
        metadata: HashMap<String, String>,
    ) -> consumer::Config {
        consumer::Config {
            durable_name: Some(UPTIME.to_owned()),
            name: Some(UPTIME.to_owned()),
            description: Some("NAQ: shows since when the broker runs; delivers nothing".into()),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            filter_subject: self.subjects.uptime(queue),
            memory_storage: true,
            metadata,
            ..consumer::Config::default()
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

/// Refuses a stream that a newer version of NAQ has made or changed, and one without the settings that
/// NAQ needs.
pub(crate) fn check_echo(wanted: &Config, found: &Config) -> Result<(), TransportError> {
    schema::refuse_newer(wanted, found)?;
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
    use naq_testing::{differences, vectors};
    use serde_json::{Value, json};

    use super::*;
    use crate::stream_info::CreateConsumer;
    use crate::subjects::api;

    /// Settings that are 0 without a limit, or -1.
    const LIMITS: [&str; 5] =
        ["max_consumers", "max_msgs", "max_bytes", "max_msgs_per_subject", "max_msg_size"];

    /// The settings without those that the broker has by default.
    fn normal(settings: &Value) -> Value {
        let mut settings = settings.clone();
        let Some(fields) = settings.as_object_mut() else { return settings };
        fields.retain(|name, value| {
            let is_default = match value {
                Value::Null | Value::Bool(false) => true,
                Value::String(text) => text.is_empty(),
                Value::Array(list) => list.is_empty(),
                Value::Object(map) => map.is_empty(),
                Value::Number(n) if n.as_i64() == Some(-1) => LIMITS.contains(&name.as_str()),
                Value::Number(n) => n.as_i64() == Some(0),
                Value::Bool(true) => false,
            };
            !is_default
        });
        settings
    }

    fn check(vector: &Value, request: &str, expected: &Value, actual: &impl serde::Serialize) {
        assert_eq!(vector["request"], request);
        let found = differences(&normal(expected), &normal(&json!(actual)));
        assert!(found.is_empty(), "{request}: {found:#?}");
    }

    #[test]
    fn streams_and_consumers_have_the_settings_of_their_vectors() {
        let subjects = Subjects::new("naq").expect("a prefix");
        let config = NatsConfig::new("nats://localhost");
        let configs = StreamConfigs { subjects: &subjects, config: &config };
        let queue = QueueName::default();
        let file = vectors("streams");
        let roles: Vec<_> = [StreamRole::Queue(queue.clone())].into_iter().chain(SHARED).collect();
        let streams = file["streams"].as_array().expect("streams");
        assert_eq!(streams.len(), roles.len());
        for (vector, role) in streams.iter().zip(&roles) {
            let config = configs.config_of_role(role);
            check(vector, &api::stream_create(&config.name), &vector["body"], &config);
        }
        let consumers = [
            configs.consumer_config(&queue, DEFAULT_LEASE),
            configs.uptime_config(&queue, HashMap::new()),
        ];
        let stream_name = &subjects.queue_stream(&queue);
        let all = file["consumers"].as_array().expect("consumers");
        assert_eq!(all.len(), consumers.len());
        for (vector, config) in all.iter().zip(&consumers) {
            let name = config.name.as_deref().expect("a name");
            let request = api::consumer_create(stream_name, name, &config.filter_subject);
            let body = json!(CreateConsumer { stream_name, config, action: "create" });
            check(vector, &request, &vector["body"]["config"], &body["config"]);
            for name in ["stream_name", "action"] {
                assert_eq!(vector["body"][name], body[name], "{request}");
            }
        }
    }

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
