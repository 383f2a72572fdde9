//! Stores a small message in a stream, and removes it again. Only that shows whether the stream stores:
//! a stream whose disk was full answers every other request, and refuses a publish with a wrong condition
//! as if nothing was wrong (measured, 2.15.1).

use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use futures_util::future::join_all;
use naq_core::transport::{
    JobKey, Place, ProbeAnswer, StateKey, StoreProbe, StreamRole, TransportError,
};
use naq_core::{JobId, QueueName};

use crate::api::Api;
use crate::error::ApiError;
use crate::evictions::evictions;
use crate::message::TTL;
use crate::records::ttl;
use crate::stream_info::StreamInfo;
use crate::subjects::api;

/// The id of the job that a probe claims to be.
const ID: &str = "naq-doctor";
/// The broker removes a probe after this time, if this process dies before it does.
const PROBE_TTL: Duration = Duration::from_secs(1);
/// A sequence that no stream reaches.
const UNREACHED_SEQUENCE: u64 = 1 << 62;

impl Api {
    /// Probes the streams in which work is stored: that of one queue or of all, and the shared ones. A
    /// stream that does not exist yet is left out.
    pub(crate) async fn probe_stores(
        &self,
        queue: Option<&QueueName>,
    ) -> Result<Vec<StoreProbe>, TransportError> {
        let queues = match queue {
            Some(queue) => vec![queue.clone()],
            None => self.queues().await?,
        };
        let shared = [
            StreamRole::Dead,
            StreamRole::Records,
            StreamRole::State,
            StreamRole::Keys,
            StreamRole::Blobs,
        ];
        // A user with rights to one queue has them in the shared streams for this queue only.
        let own = &queues.first().cloned().unwrap_or_default();
        let roles = queues.iter().cloned().map(StreamRole::Queue).chain(shared);
        let probes = roles.map(|role| async move {
            let answer = self.probe(&role, own).await?;
            Some(StoreProbe { stream: self.configs().config_of_role(&role).name, role, answer })
        });
        Ok(join_all(probes).await.into_iter().flatten().collect())
    }

    /// Probes one stream, a shared one with a message of the queue `own`. `None` if it does not exist, if it cannot be read, or if a probe could do harm.
    pub(crate) async fn probe(&self, role: &StreamRole, own: &QueueName) -> Option<ProbeAnswer> {
        let wanted = self.configs().config_of_role(role);
        let info = self.call::<_, StreamInfo>(&api::stream_info(&wanted.name), &()).await.ok()?;
        // In such a stream the probe would replace a message.
        if !evictions(&wanted, &info.config).is_empty() {
            return None;
        }
        let mut headers = HeaderMap::new();
        if info.config.allow_message_ttl {
            headers.insert(TTL, ttl(PROBE_TTL));
        } else if let Err(answer) = self.may_delete(&wanted.name).await {
            // Here a probe would stay for ever.
            return Some(answer);
        }
        let subject = self.probe_subject(role, own)?;
        match self.store(&subject, headers, Bytes::from_static(b"{}")).await {
            Ok(stored) => {
                // A user without this right leaves it to the TTL.
                let _ = self.delete(&wanted.name, stored.seq).await;
                Some(ProbeAnswer::Stored)
            }
            Err(error) => answer_of(error),
        }
    }

    /// A subject of the stream that no worker reads. In a queue's stream it is a schedule subject. Without
    /// the header of a schedule the broker never moves the message to the queue.
    fn probe_subject(&self, role: &StreamRole, own: &QueueName) -> Option<String> {
        let job = |queue: &QueueName| Some(JobKey::new(queue.clone(), JobId::new(ID).ok()?));
        Some(match role {
            StreamRole::Queue(queue) => self.subjects.job(Place::Schedule, &job(queue)?),
            StreamRole::Dead => self.subjects.job(Place::Dead, &job(own)?),
            StreamRole::Records => self.subjects.job(Place::Record, &job(own)?),
            StreamRole::State => self.subjects.state(&StateKey::new([ID]).ok()?),
            StreamRole::Keys => {
                self.subjects.state(&StateKey::new(["key", own.as_str(), ID]).ok()?)
            }
            StreamRole::Blobs => self.subjects.chunk(&job(own)?, ID, 0),
            _ => return None,
        })
    }

    /// Whether this user may delete messages of the stream.
    async fn may_delete(&self, stream: &str) -> Result<(), ProbeAnswer> {
        match self.delete(stream, UNREACHED_SEQUENCE).await {
            Err(TransportError::Permission { subject }) => Err(ProbeAnswer::NotAllowed(subject)),
            _ => Ok(()),
        }
    }
}

fn answer_of(error: ApiError) -> Option<ProbeAnswer> {
    if error.is_store_full() {
        let ApiError::Refused(refusal) = error else { return None };
        return Some(ProbeAnswer::Full(refusal.full_store_words()));
    }
    match error {
        ApiError::Transport(TransportError::Timeout { .. }) => Some(ProbeAnswer::Silent),
        ApiError::Transport(TransportError::Permission { subject }) => {
            Some(ProbeAnswer::NotAllowed(subject))
        }
        ApiError::Refused(refusal) => Some(ProbeAnswer::Refused(refusal.description)),
        // The stream was just removed, or the connection is lost: other checks say so.
        ApiError::NoResponders | ApiError::Transport(_) => None,
    }
}
