//! How many copies the streams of a prefix have. The choice is written down once, in the metadata of the
//! stream of the state store, and each program that creates a stream follows it. Without that, a
//! producer without `NAQ_REPLICAS` leaves its queue at one copy on a cluster of three (ADR 0042).

use std::collections::HashMap;

use async_nats::jetstream::stream::Config;
use naq_core::transport::TransportError;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::Api;
use crate::error::ApiError;
use crate::error_codes::{STREAM_NAME_IN_USE, STREAM_NOT_FOUND};
use crate::schema;
use crate::stream_info::StreamInfo;
use crate::subjects::{StatePart, api};

const REPLICAS: &str = "naq_replicas";

/// The copies of a stream on a cluster on which no program has chosen another number.
const ON_A_CLUSTER: usize = 3;
/// No server can take the stream now, or too few servers can.
const NO_PEERS: u64 = 10005;
/// Copies need a cluster.
const NOT_CLUSTERED: u64 = 10074;

/// What is known about the copies of a prefix's streams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ReplicaChoice {
    /// What is written down in the broker.
    pub(crate) written: Option<usize>,
    /// What this program's settings say.
    pub(crate) configured: Option<usize>,
    /// The copies of the stream of the state store, if it exists.
    pub(crate) of_state: Option<usize>,
    /// Whether the broker is a cluster.
    pub(crate) is_clustered: bool,
}

impl ReplicaChoice {
    /// How many copies a new stream gets.
    pub(crate) fn copies(&self) -> usize {
        let unchosen = if self.is_clustered { ON_A_CLUSTER } else { 1 };
        // An older version wrote nothing down: what its program chose for the state store still holds.
        let inferred = self.of_state.unwrap_or(1).max(unchosen);
        self.written.or(self.configured).unwrap_or(inferred)
    }

    /// Whether the program that creates the first stream must write the choice down. One server
    /// without a choice keeps it open: it may grow to a cluster.
    fn must_be_written(&self) -> bool {
        self.of_state.is_none() && (self.configured.is_some() || self.is_clustered)
    }
}

/// The choice in the metadata of the stream of the state store.
pub(crate) fn written_in(metadata: &HashMap<String, String>) -> Option<usize> {
    metadata.get(REPLICAS)?.parse().ok().filter(|copies| *copies > 0)
}

/// The settings of a stream with another number of copies. All other settings stay as they are, those
/// that NAQ does not know included.
fn with_copies(mut config: Value, copies: usize) -> Value {
    config["num_replicas"] = json!(copies);
    config
}

/// The settings of the stream of the state store with the choice written down.
fn with_choice(mut config: Value, copies: usize) -> Value {
    if !config["metadata"].is_object() {
        config["metadata"] = json!({});
    }
    config["metadata"][REPLICAS] = json!(copies.to_string());
    config
}

impl Api {
    /// What is known about the copies. A user who may not read the stream of the state store goes by
    /// its own settings.
    pub(crate) async fn replica_choice(&self) -> Result<ReplicaChoice, ApiError> {
        let info = match self.stream_info(&self.subjects.state_stream(StatePart::Shared)).await {
            Err(error) if error.is_permission() => None,
            found => found?,
        };
        Ok(ReplicaChoice {
            written: info.as_ref().and_then(|info| written_in(&info.config.metadata)),
            configured: (self.config.replicas > 0).then_some(self.config.replicas),
            of_state: info.map(|info| info.config.num_replicas),
            is_clustered: self.client().server_info().cluster.is_some(),
        })
    }

    /// The settings with the number of copies that new streams get. Writes the choice down first, if
    /// that was not done yet.
    pub(crate) async fn with_replicas(&self, wanted: &Config) -> Result<Config, ApiError> {
        let mut choice = self.replica_choice().await?;
        let state = self.configs().state_config();
        let mut config = wanted.clone();
        if choice.must_be_written() {
            if config.name == state.name {
                config.metadata.insert(REPLICAS.to_owned(), choice.copies().to_string());
            } else {
                self.write_choice_down(state, choice.copies()).await;
                choice = self.replica_choice().await?;
            }
        }
        config.num_replicas = choice.copies();
        if choice.configured.is_some_and(|configured| configured != choice.copies()) {
            tracing::warn!(
                stream = config.name,
                configured = choice.configured,
                written = choice.written,
                "this program is set to other replicas than those written down in the broker, \
                 which hold"
            );
        }
        Ok(config)
    }

    /// Creates the stream of the state store with the choice in it. A user who may not, or an account
    /// without room for it, creates its stream all the same.
    async fn write_choice_down(&self, mut state: Config, copies: usize) {
        state.metadata.insert(REPLICAS.to_owned(), copies.to_string());
        state.num_replicas = copies;
        let subject = api::stream_create(&state.name);
        match self.call_with_retry::<_, StreamInfo>(&subject, &state).await {
            Ok(_) => tracing::info!(copies, "wrote the replicas of all streams down"),
            Err(error) if error.is(STREAM_NAME_IN_USE) => {}
            Err(error) => tracing::warn!(?error, "cannot write the replicas of the streams down"),
        }
    }

    /// The error of a stream that could not be created with this number of copies.
    pub(crate) fn create_error(&self, wanted: &Config, error: ApiError) -> TransportError {
        let what = format!("create the stream {}", wanted.name);
        let copies = wanted.num_replicas;
        let too_few = error.is(NO_PEERS) || error.is(NOT_CLUSTERED);
        let error = error.into_transport(&what, self.url());
        let add = |reason: String| {
            format!(
                "{reason}. The stream should have {copies} copies: start that many servers with \
                 JetStream, or set NAQ_REPLICAS"
            )
        };
        match error {
            TransportError::Unavailable { what, reason } if too_few && copies > 1 => {
                TransportError::Unavailable { what, reason: add(reason) }
            }
            TransportError::Rejected { what, reason } if too_few => {
                TransportError::Rejected { what, reason: add(reason) }
            }
            error => error,
        }
    }

    /// Writes the number of copies down, in the stream of the state store.
    pub(crate) async fn set_choice(&self, copies: usize) -> Result<(), ApiError> {
        let mut state = self.configs().state_config();
        let name = state.name.clone();
        let Some(config) = self.raw_config(&name).await? else {
            state.metadata.insert(REPLICAS.to_owned(), copies.to_string());
            state.num_replicas = copies;
            let subject = api::stream_create(&name);
            return self.call_with_retry::<_, StreamInfo>(&subject, &state).await.map(drop);
        };
        schema::refuse_newer_raw(&state, &config)?;
        let config = with_choice(config, copies);
        self.call_with_retry::<_, StreamInfo>(&api::stream_update(&name), &config).await.map(drop)
    }

    /// Gives a stream, which NAQ makes with the settings `wanted`, this number of copies.
    pub(crate) async fn set_copies(&self, wanted: &Config, copies: usize) -> Result<(), ApiError> {
        let stream = &*wanted.name;
        let Some(config) = self.raw_config(stream).await? else { return Ok(()) };
        schema::refuse_newer_raw(wanted, &config)?;
        let config = with_copies(config, copies);
        self.call_with_retry::<_, StreamInfo>(&api::stream_update(stream), &config).await.map(drop)
    }

    /// The settings of a stream as the broker wrote them; `None` if it does not exist.
    pub(crate) async fn raw_config(&self, stream: &str) -> Result<Option<Value>, ApiError> {
        #[derive(Deserialize)]
        struct RawInfo {
            config: Value,
        }
        match self.call_with_retry::<_, RawInfo>(&api::stream_info(stream), &()).await {
            Ok(info) => Ok(Some(info.config)),
            Err(error) if error.is(STREAM_NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copies(
        written: Option<usize>,
        configured: Option<usize>,
        of_state: Option<usize>,
        is_clustered: bool,
    ) -> (usize, bool) {
        let choice = ReplicaChoice { written, configured, of_state, is_clustered };
        (choice.copies(), choice.must_be_written())
    }

    #[test]
    fn the_choice_that_is_written_down_holds_for_each_program() {
        assert_eq!(copies(Some(3), None, Some(3), true), (3, false));
        assert_eq!(copies(Some(3), Some(1), Some(3), true), (3, false));
        assert_eq!(copies(Some(1), None, Some(1), true), (1, false));
    }

    #[test]
    fn the_first_program_chooses_and_a_cluster_has_three_copies_without_a_choice() {
        assert_eq!(copies(None, None, None, false), (1, false));
        assert_eq!(copies(None, None, None, true), (3, true));
        assert_eq!(copies(None, Some(1), None, true), (1, true));
        assert_eq!(copies(None, Some(5), None, true), (5, true));
        assert_eq!(copies(None, Some(1), None, false), (1, true));
    }

    #[test]
    fn streams_of_an_older_version_are_followed_upward_only() {
        assert_eq!(copies(None, None, Some(1), true), (3, false));
        assert_eq!(copies(None, None, Some(5), true), (5, false));
        assert_eq!(copies(None, None, Some(1), false), (1, false));
        assert_eq!(copies(None, Some(1), Some(3), true), (1, false));
    }

    #[test]
    fn a_change_keeps_the_settings_that_naq_does_not_know() {
        let config = json!({"name": "S", "num_replicas": 1, "of_a_newer_broker": [1]});
        let changed = with_choice(with_copies(config, 3), 3);
        let expected = json!({
            "name": "S", "num_replicas": 3, "of_a_newer_broker": [1], "metadata": {REPLICAS: "3"}
        });
        assert_eq!(changed, expected);
        let metadata = serde_json::from_value(changed["metadata"].clone()).expect("a map");
        assert_eq!(written_in(&metadata), Some(3));
        assert_eq!(written_in(&HashMap::from([(REPLICAS.to_owned(), "0".to_owned())])), None);
    }
}
