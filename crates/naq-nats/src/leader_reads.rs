//! Reads that only the leader of a stream answers.
//!
//! A direct get may be answered by any replica, and one that was paused or cut off answers what it knew
//! before, until it has caught up (measured, 2.15.1: for half a minute). It then has no record of a job
//! that has ended, and the job would run again. So on a cluster the leader is asked first whether its
//! replicas are current, and if one is not, it is asked for the messages themselves (ADR 0043).

use futures_util::future::try_join_all;
use naq_core::transport::{JobKey, Place, Stored, TransportError};
use serde::Deserialize;
use tokio::time::Instant;

use crate::api::Api;
use crate::direct::StreamMessage;
use crate::error::ApiError;
use crate::error_codes::STREAM_NOT_FOUND;
use crate::subjects::api;

/// How many messages are asked for at the same time.
const PARALLEL: usize = 64;

#[derive(Debug, Deserialize)]
struct ClusterReply {
    #[serde(default)]
    cluster: Option<ClusterInfo>,
}

#[derive(Debug, Deserialize)]
struct ClusterInfo {
    #[serde(default)]
    replicas: Option<Vec<ReplicaInfo>>,
}

#[derive(Debug, Deserialize)]
struct ReplicaInfo {
    #[serde(default)]
    current: bool,
}

impl ClusterReply {
    fn lags(&self) -> bool {
        let replicas = self.cluster.as_ref().and_then(|cluster| cluster.replicas.as_ref());
        replicas.is_some_and(|replicas| replicas.iter().any(|replica| !replica.current))
    }
}

impl Api {
    /// The last message on each of these subjects, from the leader, if a replica lags. `None` if all
    /// replicas are current, or if the broker is one server: then each of them may be asked.
    pub(crate) async fn last_by_leader(
        &self,
        stream: &str,
        subjects: &[String],
    ) -> Result<Option<Vec<StreamMessage>>, TransportError> {
        if !self.replica_lags(stream).await {
            return Ok(None);
        }
        match self.last_of_leader(stream, subjects).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_permission() => {
                self.replica_lag.refuse(stream);
                tracing::warn!(
                    stream,
                    "a replica of the stream lags, and this user may not read from its leader \
                     (STREAM.MSG.GET): a job that has ended may run again"
                );
                Ok(None)
            }
            Err(error) => Err(error.into_transport("read from the leader", self.url())),
        }
    }

    /// Whether a replica of the stream may lack messages that the leader has.
    pub(crate) async fn replica_lags(&self, stream: &str) -> bool {
        let lag = &self.replica_lag;
        let is_cluster = self.client().server_info().cluster.is_some();
        if !is_cluster || lag.is_refused(stream) {
            return false;
        }
        if let Some(lags) = lag.known(stream, Instant::now()) {
            return lags;
        }
        let lags = match self.call::<_, ClusterReply>(&api::stream_info(stream), &()).await {
            Ok(reply) => reply.lags(),
            Err(error) if error.is(STREAM_NOT_FOUND) => false,
            Err(error) if error.is_permission() => {
                lag.refuse(stream);
                false
            }
            // There may be no leader now. The reads wait for one.
            Err(_) => true,
        };
        lag.note(stream, lags, Instant::now());
        lags
    }

    /// The last messages at all places of a job that no replica knew, from the leaders: for some
    /// milliseconds after a store, a replica answers without it and counts as current all the same.
    /// Nothing on one server, and nothing that this user may not read from the leader.
    pub(crate) async fn last_at_leaders(
        &self,
        key: &JobKey,
    ) -> Result<Vec<Stored>, TransportError> {
        if self.client().server_info().cluster.is_none() {
            return Ok(Vec::new());
        }
        // One after the other, in the order of a job's way: a job that moves meanwhile is found.
        let mut found = Vec::new();
        for place in [Place::Queue, Place::Schedule, Place::Dead, Place::Record] {
            let stream = self.subjects.stream(place, &key.queue);
            if self.replica_lag.is_refused(&stream) {
                continue;
            }
            match self.last_on_in_json(&stream, &self.subjects.job(place, key)).await {
                Ok(message) => found.extend(message.and_then(|message| self.to_stored(message))),
                Err(error) if error.is(STREAM_NOT_FOUND) => {}
                Err(error) if error.is_permission() => self.replica_lag.refuse(&stream),
                Err(error) => return Err(error.into_transport("read from the leader", self.url())),
            }
        }
        Ok(found)
    }

    async fn last_of_leader(
        &self,
        stream: &str,
        subjects: &[String],
    ) -> Result<Vec<StreamMessage>, ApiError> {
        let mut found = Vec::new();
        for chunk in subjects.chunks(PARALLEL) {
            let reads = chunk.iter().map(|subject| self.last_on_in_json(stream, subject));
            found.extend(try_join_all(reads).await?.into_iter().flatten());
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_is_not_current_lags_and_one_server_has_none() {
        let lags = |text: &str| serde_json::from_str::<ClusterReply>(text).expect("a reply").lags();
        assert!(lags(r#"{"cluster":{"replicas":[{"current":true},{"current":false,"lag":9}]}}"#));
        assert!(!lags(r#"{"cluster":{"replicas":[{"current":true},{"current":true,"lag":1}]}}"#));
        assert!(!lags(r#"{"cluster":{"leader":"n0"}}"#));
        assert!(!lags(r#"{"config":{}}"#));
    }
}
