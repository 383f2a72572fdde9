//! The schema of a stream: a number in its metadata that says which settings NAQ has given it. Each kind of
//! stream counts for itself. A program leaves a stream with a newer number alone (ADR 0068).

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use async_nats::jetstream::stream::Config;
use naq_core::transport::{StreamRole, TransportError};
use serde_json::Value;

use crate::subjects::StatePart;

/// The metadata of a stream that has its schema.
pub(crate) const SCHEMA: &str = "naq_schema";

/// The schema of a queue's stream.
///
/// 1: a work queue with schedules and TTLs. The Python and the Node package create it, too.
pub(crate) const QUEUE: Schema = Schema(1);

/// The schema of the stream of the dead letters.
///
/// 1: without limits.
pub(crate) const DEAD: Schema = Schema(1);

/// The schema of the stream of the records.
///
/// 1: one message a subject, with a TTL.
pub(crate) const RECORDS: Schema = Schema(1);

/// The schema of the stream of the workers' entries.
///
/// 1: one message a subject, with a TTL, in memory.
pub(crate) const WORKERS: Schema = Schema(1);

/// The schema of the stream of the state store.
///
/// 1: `max_msgs_per_subject` 1, with delete markers.
///
/// 2: without that limit. Each write has `Nats-Rollup: sub` instead, which `allow_rollup_hdrs` allows (ADR
/// 0064). A program that knows only 1 writes without it, so that the earlier value stays.
pub(crate) const STATE: Schema = Schema(2);

/// The schema of the stream of the unique keys.
///
/// 1: one message a subject, with a TTL, without delete markers.
pub(crate) const KEYS: Schema = Schema(1);

/// The schema of the stream of the audit log.
///
/// 1: one message a subject, which the broker neither replaces nor removes, for 30 days.
pub(crate) const AUDIT: Schema = Schema(1);

/// The schema of the stream of the blobs.
///
/// 1: one message a subject, some with a TTL.
pub(crate) const BLOBS: Schema = Schema(1);

/// The schema of the stream of the statistics.
///
/// 1: one message a subject, for a day, at most 128 MiB.
pub(crate) const STATS: Schema = Schema(1);

/// Which settings a stream has. 1 is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Schema(pub(crate) u32);

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Schema {
    /// The metadata of a new stream.
    pub(crate) fn metadata(self) -> HashMap<String, String> {
        HashMap::from([(SCHEMA.to_owned(), self.to_string())])
    }
}

/// The schema that this program gives to a stream of this role.
pub(crate) fn of_role(role: &StreamRole) -> Schema {
    match role {
        StreamRole::Queue(_) => QUEUE,
        StreamRole::Dead => DEAD,
        StreamRole::Records => RECORDS,
        StreamRole::Workers => WORKERS,
        StreamRole::State => STATE,
        StreamRole::Keys => KEYS,
        StreamRole::Audit => AUDIT,
        StreamRole::Blobs => BLOBS,
        _ => STATS,
    }
}

/// The schema that this program gives to the stream of this part of the state store.
pub(crate) fn of_part(part: StatePart) -> Schema {
    match part {
        StatePart::Shared => STATE,
        StatePart::Keys => KEYS,
        StatePart::Audit => AUDIT,
    }
}

/// The name of the role's kind in the entry of a worker.
pub(crate) fn kind(role: &StreamRole) -> &'static str {
    match role {
        StreamRole::Queue(_) => "queue",
        StreamRole::Dead => "dead",
        StreamRole::Records => "records",
        StreamRole::Workers => "workers",
        StreamRole::State => "state",
        StreamRole::Keys => "keys",
        StreamRole::Audit => "audit",
        StreamRole::Blobs => "blobs",
        _ => "stats",
    }
}

/// What this program knows, as a worker says it in its entry. A kind that is not named is at 1.
pub(crate) fn known() -> BTreeMap<&'static str, u32> {
    BTreeMap::from([(kind(&StreamRole::State), STATE.0)])
}

/// The schema in the metadata of a stream. `None` if an earlier version of NAQ or another program made it.
pub(crate) fn written_in(metadata: &HashMap<String, String>) -> Option<Schema> {
    metadata.get(SCHEMA)?.parse().ok().filter(|number| *number > 0).map(Schema)
}

/// The schema of a stream. That of a stream that does not say it follows from its settings.
pub(crate) fn of_stream(role: &StreamRole, found: &Config) -> Schema {
    written_in(&found.metadata).unwrap_or_else(|| told_from_settings(role, found))
}

fn told_from_settings(role: &StreamRole, found: &Config) -> Schema {
    match role {
        StreamRole::State if found.max_messages_per_subject <= 0 => Schema(2),
        _ => Schema(1),
    }
}

/// Refuses a stream with a schema that this program does not know.
pub(crate) fn refuse_newer(wanted: &Config, found: &Config) -> Result<(), TransportError> {
    refuse(wanted, &found.metadata)
}

/// Like [`refuse_newer`], for settings as the broker wrote them.
pub(crate) fn refuse_newer_raw(wanted: &Config, found: &Value) -> Result<(), TransportError> {
    refuse(wanted, &serde_json::from_value(found["metadata"].clone()).unwrap_or_default())
}

fn refuse(wanted: &Config, metadata: &HashMap<String, String>) -> Result<(), TransportError> {
    let known = written_in(&wanted.metadata).unwrap_or(Schema(1));
    match written_in(metadata) {
        Some(schema) if schema > known => Err(TransportError::NewerSchema {
            stream: wanted.name.clone(),
            found: schema.0,
            known: known.0,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(metadata: &[(&str, &str)], max_messages_per_subject: i64) -> Config {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let metadata = metadata.iter().map(own).collect();
        Config { name: "NAQ_STATE".into(), metadata, max_messages_per_subject, ..Config::default() }
    }

    #[test]
    fn a_stream_that_does_not_say_its_schema_is_told_from_its_settings() {
        let state = |metadata: &[(&str, &str)], limit| {
            of_stream(&StreamRole::State, &stream(metadata, limit)).0
        };
        assert_eq!(state(&[], 1), 1);
        assert_eq!(state(&[], -1), 2, "an operator has removed the limit by hand");
        assert_eq!(state(&[(SCHEMA, "2")], -1), 2);
        assert_eq!(state(&[(SCHEMA, "0")], 1), 1);
        assert_eq!(state(&[(SCHEMA, "x")], 1), 1);
        assert_eq!(of_stream(&StreamRole::Records, &stream(&[], 1)), Schema(1));
    }

    #[test]
    fn only_a_newer_schema_is_refused() {
        let wanted = stream(&[(SCHEMA, "2")], -1);
        for found in [&[][..], &[(SCHEMA, "1")], &[(SCHEMA, "2")]] {
            refuse_newer(&wanted, &stream(found, 1)).expect("known");
        }
        let error = refuse_newer(&wanted, &stream(&[(SCHEMA, "3")], 1)).expect_err("newer");
        let raw = serde_json::json!({"metadata": {SCHEMA: "3"}});
        refuse_newer_raw(&wanted, &raw).expect_err("newer, as the broker wrote it");
        refuse_newer_raw(&wanted, &Value::Null).expect("known");
        let text = "the stream NAQ_STATE has schema 3, and this program knows up to 2: upgrade this \
                    program";
        assert_eq!(error.to_string(), text);
        assert!(!error.is_transient());
    }
}
