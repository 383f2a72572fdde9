//! Reads that see everything that was stored before them, on a cluster too.
//!
//! Any replica answers a direct get, with what it knows. A replica that was paused or cut off lacks the
//! newest messages, a follower learns only from the next leader what the last one had stored, and a leader
//! that is cut off takes itself for the leader for seconds. So a reader first stores a message of its own, the
//! fence, and asks for it together with the others: an answer with the fence is from a replica that has
//! all that was stored before it (ADR 0043).

use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use naq_core::transport::{Place, TransportError};
use tokio::time::Instant;

use crate::api::Api;
use crate::direct::StreamMessage;
use crate::error::ApiError;
use crate::error_codes::STREAM_NOT_FOUND;
use crate::message::TTL;

/// The broker removes a fence by itself. This is the shortest time that it takes.
const FENCE_TTL: &str = "1s";
/// How long a fence may be asked for again. Well before the broker removes it.
const FENCE_STAYS: Duration = Duration::from_millis(500);
/// How many subjects one request asks for, besides the fence.
const AT_ONCE: usize = 900;

impl Api {
    /// The last message on each of these subjects of a stream, without wildcards. `None` if the broker is
    /// one server, or if this user may not store a fence: then nothing better than
    /// [`last_of`](Self::last_of) is known.
    pub(crate) async fn last_behind_fence(
        &self,
        stream: &str,
        subjects: &[String],
    ) -> Result<Option<Vec<StreamMessage>>, TransportError> {
        let is_cluster = self.client().server_info().cluster.is_some();
        if !is_cluster
            || self.fences.is_refused(stream)
            || self.single_reads.only(stream)
            || self.unreadable.any_on(stream, subjects)
        {
            return Ok(None);
        }
        let Some(fence) = subjects.first().and_then(|first| self.fence_of(first)) else {
            return Ok(None);
        };
        let mut found = Vec::with_capacity(subjects.len());
        let mut chunks: Vec<&[String]> = subjects.chunks(AT_ONCE).collect();
        while let Some(chunk) = chunks.pop() {
            match self.behind_fence(stream, &fence, chunk).await? {
                Fenced::All(messages) => found.extend(messages),
                // The rest would come from another replica, perhaps.
                Fenced::TooMany => {
                    let (first, second) = chunk.split_at(chunk.len() / 2);
                    chunks.extend([first, second]);
                }
                Fenced::Refused => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    async fn behind_fence(
        &self,
        stream: &str,
        fence: &str,
        subjects: &[String],
    ) -> Result<Fenced, TransportError> {
        let mut asked = subjects.to_vec();
        asked.push(fence.to_owned());
        let mut retry = self.request_retry("read what was stored last", stream);
        let mut last_fence: Option<StoredFence> = None;
        loop {
            // What was stored before the question stands behind an earlier fence, too.
            let stored = match last_fence.filter(|it| it.at.elapsed() < FENCE_STAYS) {
                Some(earlier) => earlier,
                None => match self.store_fence(fence).await {
                    Ok(stored) => stored,
                    // No stream has this subject: it does not exist.
                    Err(ApiError::NoResponders) if self.is_missing(stream).await => {
                        return Ok(Fenced::All(Vec::new()));
                    }
                    Err(error) if error.is_permission() || error.is_store_full() => {
                        return Ok(self.without_fence(stream, &error));
                    }
                    Err(error) if error.is_transient() => {
                        retry.wait_to_retry(error).await?;
                        continue;
                    }
                    Err(error) => return Ok(self.without_fence(stream, &error)),
                },
            };
            last_fence = Some(stored);
            let mut batch = match self.direct_last_once(stream, &asked).await {
                Ok(Some(batch)) => batch,
                Ok(None) => return Ok(Fenced::Refused),
                // This user may read single subjects only.
                Err(TransportError::Permission { .. }) => {
                    self.fences.refuse(stream);
                    return Ok(Fenced::Refused);
                }
                Err(error) => return Err(error),
            };
            if batch.left > 0 && subjects.len() > 1 {
                return Ok(Fenced::TooMany);
            }
            let is_fence = |message: &StreamMessage| message.subject == fence;
            let is_behind = !batch.messages.iter().any(|it| is_fence(it) && it.seq >= stored.seq);
            if !is_behind {
                batch.messages.retain(|message| !is_fence(message));
                return Ok(Fenced::All(batch.messages));
            }
            let behind = self.unanswered_error(stream, self.config.answer_timeout);
            retry.wait_to_retry(behind.into()).await?;
        }
    }

    async fn store_fence(&self, fence: &str) -> Result<StoredFence, ApiError> {
        let at = Instant::now();
        let mut headers = HeaderMap::new();
        headers.insert(TTL, FENCE_TTL);
        let seq = self.store(fence, headers, Bytes::new()).await?.seq;
        Ok(StoredFence { seq, at })
    }

    /// From now on this stream is read without a fence.
    fn without_fence(&self, stream: &str, error: &ApiError) -> Fenced {
        if error.is_permission() {
            self.fences.refuse(stream);
            tracing::warn!(
                stream,
                ?error,
                "this user may not store a fence: while a server of the cluster is away, a job that \
                 has ended may run again"
            );
        }
        Fenced::Refused
    }

    async fn is_missing(&self, stream: &str) -> bool {
        match self.stream_info(stream).await {
            Ok(found) => found.is_none(),
            Err(error) => error.is(STREAM_NOT_FOUND),
        }
    }

    /// The fence in the stream of this subject. No job id has a `~`, so it is no job's.
    fn fence_of(&self, subject: &str) -> Option<String> {
        let parsed = self.subjects.parse(subject)?;
        match parsed.place {
            Place::Queue | Place::Schedule => {
                Some(self.subjects.fence(Place::Schedule, &parsed.queue))
            }
            Place::Record => Some(self.subjects.fence(Place::Record, &parsed.queue)),
            // Here a fence would stay for ever. A dead job has a record as well, or keeps none.
            Place::Dead => None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct StoredFence {
    seq: u64,
    /// When it was sent.
    at: Instant,
}

enum Fenced {
    All(Vec<StreamMessage>),
    TooMany,
    Refused,
}
