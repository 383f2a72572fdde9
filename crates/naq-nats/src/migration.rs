//! What brings a stream of an earlier version of NAQ to the current schema: pure data, without requests.

use std::fmt;

use async_nats::jetstream::stream::Config;
use naq_core::transport::{StreamRole, TransportError};
use serde::Serialize;
use serde_json::{Value, json};

use crate::schema::{self, SCHEMA, Schema};

/// A stream was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// Workers run that the change would harm.
    #[error(
        "the stream {stream} is not changed while workers run that do not know its schema {needed}: {}; upgrade or stop them",
        .workers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    )]
    OlderWorkers {
        /// The stream.
        stream: String,
        /// The schema that they must know.
        needed: u32,
        /// The workers.
        workers: Vec<OlderWorker>,
    },
    /// The broker could not be asked or refused the change, or the stream has a newer schema.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// How the schema of a stream compares with the one that this program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SchemaStatus {
    /// It has the current settings, and says so.
    Current,
    /// It has the current settings, and does not say its schema.
    NotWritten,
    /// It has settings of an earlier schema.
    Behind,
    /// A newer version of NAQ has made or changed it.
    Newer,
}

/// One setting of a stream that a migration changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingChange {
    /// Its name at the broker, such as `max_msgs_per_subject`.
    pub setting: String,
    /// Its value now; null if the stream has none.
    pub before: Value,
    /// Its value afterwards.
    pub after: Value,
}

impl fmt::Display for SettingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Value| match value {
            Value::Null => "none".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        write!(f, "{} {} to {}", self.setting, text(&self.before), text(&self.after))
    }
}

/// A worker that does not know a schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OlderWorker {
    /// Its id.
    pub worker: String,
    /// Its version of NAQ.
    pub version: String,
    /// The schema that it knows.
    pub knows: u32,
}

impl fmt::Display for OlderWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, knows {})", self.worker, self.version, self.knows)
    }
}

/// What a migration does to one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamPlan {
    /// Its name at the broker.
    pub stream: String,
    /// What it is for.
    #[serde(flatten)]
    pub role: StreamRole,
    /// The schema that it has.
    pub schema: u32,
    /// The schema that this program knows.
    pub current: u32,
    /// How the two compare.
    pub status: SchemaStatus,
    /// The settings that change. Empty if the stream is current or newer.
    pub changes: Vec<SettingChange>,
    /// What the change costs or risks, in sentences without a full stop at the end. `None` without a change.
    pub risk: Option<&'static str>,
    /// Workers that run and that the change would harm. While there are any, the stream is not changed.
    pub older_workers: Vec<OlderWorker>,
}

impl StreamPlan {
    /// What a migration does to the stream with these settings. `config` is as the broker wrote it.
    pub(crate) fn read(role: &StreamRole, config: &Value) -> serde_json::Result<Self> {
        let found: Config = serde_json::from_value(config.clone())?;
        let (schema, current) = (schema::of_stream(role, &found), schema::of_role(role));
        let is_newer = schema > current;
        let changes = match is_newer {
            true => Vec::new(),
            false => changes(config, &migrated(role, config.clone())),
        };
        let only_number = changes.iter().all(|change| change.setting == SCHEMA);
        let status = match (is_newer, changes.is_empty(), only_number) {
            (true, ..) => SchemaStatus::Newer,
            (_, true, _) => SchemaStatus::Current,
            (_, _, true) => SchemaStatus::NotWritten,
            _ => SchemaStatus::Behind,
        };
        Ok(Self {
            stream: found.name,
            role: role.clone(),
            schema: schema.0,
            current: current.0,
            status,
            changes,
            risk: risk(role, status),
            older_workers: Vec::new(),
        })
    }

    /// Whether a migration changes the stream.
    pub fn is_due(&self) -> bool {
        !self.changes.is_empty()
    }

    /// The schema that every worker must know before the stream is changed. `None` if the change harms no
    /// worker.
    pub(crate) fn needs(&self) -> Option<Schema> {
        (self.status == SchemaStatus::Behind).then_some(Schema(self.current))
    }

    /// Whether the stream may be changed.
    ///
    /// # Errors
    /// [`MigrateError`]: a newer version of NAQ has made or changed it, or workers run that the change
    /// would harm.
    pub fn check(&self) -> Result<(), MigrateError> {
        let stream = self.stream.clone();
        if self.status == SchemaStatus::Newer {
            let (found, known) = (self.schema, self.current);
            return Err(TransportError::NewerSchema { stream, found, known }.into());
        }
        if self.older_workers.is_empty() {
            return Ok(());
        }
        let (needed, workers) = (self.current, self.older_workers.clone());
        Err(MigrateError::OlderWorkers { stream, needed, workers })
    }
}

fn risk(role: &StreamRole, status: SchemaStatus) -> Option<&'static str> {
    match (status, role) {
        (SchemaStatus::Current | SchemaStatus::Newer, _) => None,
        (SchemaStatus::Behind, StreamRole::State) => Some(
            "all entries stay, and nothing is copied; but a worker, dashboard or command that does not \
             know the new schema must not write to the stream any more: of what it writes the earlier \
             value stays stored, and counts again when the newer one expires",
        ),
        _ => Some("only the number is written; no setting changes"),
    }
}

/// The settings of the current schema. All other settings stay as they are, those that NAQ does not know
/// included.
pub(crate) fn migrated(role: &StreamRole, mut config: Value) -> Value {
    if *role == StreamRole::State {
        config["max_msgs_per_subject"] = json!(-1);
        config["allow_rollup_hdrs"] = json!(true);
    }
    if !config["metadata"].is_object() {
        config["metadata"] = json!({});
    }
    config["metadata"][SCHEMA] = json!(schema::of_role(role).to_string());
    config
}

fn changes(before: &Value, after: &Value) -> Vec<SettingChange> {
    const SETTINGS: [&str; 2] = ["max_msgs_per_subject", "allow_rollup_hdrs"];
    let change = |setting: &str, before: &Value, after: &Value| {
        let (before, after) = (before.clone(), after.clone());
        (before != after).then(|| SettingChange { setting: setting.to_owned(), before, after })
    };
    let settings = SETTINGS.iter().filter_map(|it| change(it, &before[it], &after[it]));
    let number = change(SCHEMA, &before["metadata"][SCHEMA], &after["metadata"][SCHEMA]);
    settings.chain(number).collect()
}

#[cfg(test)]
mod tests {
    use naq_core::QueueName;

    use super::*;

    fn state(max_msgs_per_subject: i64, metadata: &Value) -> Value {
        let mut config = json!({
            "name": "NAQ_STATE", "subjects": ["naq.k.>"], "retention": "limits", "max_consumers": -1,
            "max_msgs": -1, "max_bytes": -1, "max_age": 0, "storage": "file", "discard": "old",
            "num_replicas": 1, "max_msgs_per_subject": max_msgs_per_subject,
            "allow_rollup_hdrs": true, "of_a_newer_broker": [1]
        });
        if metadata.is_object() {
            config["metadata"] = metadata.clone();
        }
        config
    }

    fn plan(config: &Value) -> StreamPlan {
        StreamPlan::read(&StreamRole::State, config).expect("a plan")
    }

    #[test]
    fn the_limit_of_an_old_state_stream_goes_and_all_else_stays() {
        let old = state(1, &json!({"naq_replicas": "3"}));
        let found = plan(&old);
        assert_eq!((found.schema, found.current, found.status), (1, 2, SchemaStatus::Behind));
        assert_eq!(found.needs(), Some(Schema(2)));
        let words: Vec<_> = found.changes.iter().map(ToString::to_string).collect();
        assert_eq!(words, ["max_msgs_per_subject 1 to -1", "naq_schema none to 2"]);
        let new = migrated(&StreamRole::State, old);
        assert_eq!(new, state(-1, &json!({"naq_replicas": "3", SCHEMA: "2"})));
        let again = plan(&new);
        assert_eq!((again.status, again.is_due()), (SchemaStatus::Current, false));
    }

    #[test]
    fn a_state_stream_that_was_mended_by_hand_only_lacks_its_number() {
        let found = plan(&state(-1, &Value::Null));
        assert_eq!((found.schema, found.status), (2, SchemaStatus::NotWritten));
        assert_eq!(found.needs(), None, "no worker is harmed");
        assert_eq!(found.changes.len(), 1);
    }

    #[test]
    fn a_limit_that_was_set_after_the_migration_goes_again() {
        let found = plan(&state(1, &json!({SCHEMA: "2"})));
        assert_eq!((found.schema, found.status), (2, SchemaStatus::Behind));
    }

    #[test]
    fn a_newer_stream_has_no_changes() {
        let found = plan(&state(1, &json!({SCHEMA: "3"})));
        assert_eq!((found.status, found.is_due(), found.risk), (SchemaStatus::Newer, false, None));
        let error = found.check().expect_err("newer").to_string();
        assert!(error.contains("NAQ_STATE has schema 3"), "{error}");
    }

    #[test]
    fn limits_that_an_operator_gave_to_another_stream_stay() {
        let mut config = state(1, &Value::Null);
        config["max_age"] = json!(3_600_000_000_000_u64);
        let role = StreamRole::Queue(QueueName::default());
        let found = StreamPlan::read(&role, &config).expect("a plan");
        assert_eq!((found.schema, found.status), (1, SchemaStatus::NotWritten));
        let mut expected = config.clone();
        expected["metadata"] = json!({SCHEMA: "1"});
        assert_eq!(migrated(&role, config), expected);
    }
}
