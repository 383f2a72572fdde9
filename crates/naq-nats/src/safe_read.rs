//! Reads messages in JSON (`STREAM.MSG.GET`), which the client can parse with any bytes in their
//! headers and subject (ADR 0038). One request reads one message, so this is for the streams and
//! the moments in which an unreadable message is or may be.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use async_nats::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::try_join_all;
use naq_core::sync::lock;
use naq_core::transport::TransportError;
use naq_core::wire::headers;
use serde::{Deserialize, Serialize};

use crate::api::Api;
use crate::direct::{DirectGetBatch, StreamMessage};
use crate::error::ApiError;
use crate::error_codes::{NO_MESSAGE, STREAM_NOT_FOUND};
use crate::header_block;
use crate::subjects::api;

/// How many requests are sent at the same time.
const PARALLEL: usize = 32;
/// How many messages one call reads at most.
const AT_ONCE: usize = 200;
/// How many sequences one lane reads at least, one after the other.
const LANE: u64 = 8;
/// How many bytes of unreadable headers are kept.
const MAX_RAW_HEADERS: usize = 48 * 1024;

#[derive(Debug, Default, Serialize)]
struct MessageRequest<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_by_subj: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_by_subj: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
struct MessageReply {
    message: RawMessage,
}

/// A message as the broker writes it in JSON. Headers and body are in base64.
#[derive(Debug, Deserialize)]
struct RawMessage {
    subject: String,
    seq: u64,
    #[serde(default)]
    hdrs: Option<String>,
    #[serde(default)]
    data: Option<String>,
    time: String,
}

impl Api {
    /// Whether this user may read messages in JSON, as far as this process knows.
    pub(crate) fn may_read_json(&self, stream: &str) -> bool {
        !lock(&self.json_denied).contains(stream)
    }

    /// The message with this sequence.
    pub(crate) async fn message_at_in_json(
        &self,
        stream: &str,
        seq: u64,
    ) -> Result<Option<StreamMessage>, TransportError> {
        let request = MessageRequest { seq: Some(seq), ..MessageRequest::default() };
        let found = self.message_in_json(stream, &request).await?;
        if found.as_ref().is_none_or(|message| !message.is_unreadable()) {
            self.unreadable.forget(stream, seq);
        }
        Ok(found)
    }

    /// The first message on this subject, which may contain wildcards, from sequence `from` on.
    pub(crate) async fn next_in_json(
        &self,
        stream: &str,
        subject: &str,
        from: u64,
    ) -> Result<Option<StreamMessage>, TransportError> {
        let request = MessageRequest {
            seq: Some(from.max(1)),
            next_by_subj: Some(subject),
            ..MessageRequest::default()
        };
        self.message_in_json(stream, &request).await
    }

    /// The messages on this subject from sequence `from` on, at most `limit`.
    pub(crate) async fn batch_in_json(
        &self,
        stream: &str,
        subject: &str,
        from: u64,
        limit: usize,
    ) -> Result<DirectGetBatch, TransportError> {
        let limit = limit.min(AT_ONCE);
        let mut batch = DirectGetBatch::default();
        let mut at = from;
        let mut is_sparse = false;
        while batch.messages.len() < limit {
            let Some(message) = self.next_in_json(stream, subject, at).await? else {
                self.unreadable.keep(stream, from.., subject, &sequences(&batch.messages));
                return Ok(batch);
            };
            at = message.seq + 1;
            batch.messages.push(message);
            let wanted = limit - batch.messages.len();
            if is_sparse || wanted == 0 {
                continue;
            }
            // As many sequences as messages are wanted: they have at most as many.
            let end = at.saturating_add(wanted as u64);
            let found = self.all_in_json(stream, subject, at, end - 1, |_| true).await?;
            // Where most sequences are of other subjects, one request after the other needs fewer of them.
            is_sparse = found.len() < wanted / 4;
            batch.messages.extend(found);
            at = end;
        }
        self.unreadable.keep(stream, from..at, subject, &sequences(&batch.messages));
        batch.left = self.count_in_json(stream, subject, at).await?;
        Ok(batch)
    }

    /// How many messages are on this subject from sequence `from` on. The broker counts them with its
    /// answer to a direct get, so this looks for a message that the client can parse.
    async fn count_in_json(
        &self,
        stream: &str,
        subject: &str,
        mut from: u64,
    ) -> Result<u64, TransportError> {
        let mut unreadable = 0;
        while let Some(message) = self.next_in_json(stream, subject, from).await? {
            if !message.is_unreadable() {
                let first = self.try_direct_next(stream, subject, message.seq, 1).await?;
                let first = first.unwrap_or_default();
                return Ok(unreadable + first.messages.len() as u64 + first.left);
            }
            unreadable += 1;
            from = message.seq + 1;
        }
        Ok(unreadable)
    }

    /// The last message on each of these subjects, which may contain wildcards.
    pub(crate) async fn last_in_json(
        &self,
        stream: &str,
        subjects: &[String],
    ) -> Result<Vec<StreamMessage>, TransportError> {
        let (patterns, exact): (Vec<_>, Vec<_>) =
            subjects.iter().partition(|subject| subject.contains(['*', '>']));
        let mut found = Vec::new();
        for some in exact.chunks(PARALLEL) {
            let requests = some.iter().map(|subject| self.last_on_in_json(stream, subject));
            let answers = try_join_all(requests).await;
            let messages = answers.map_err(|error| self.not_read_in_json(stream, error))?;
            found.extend(messages.into_iter().flatten());
        }
        for pattern in patterns {
            let mut last = HashMap::new();
            let mut from = 1;
            while let Some(message) = self.next_in_json(stream, pattern, from).await? {
                from = message.seq + 1;
                last.insert(message.subject.clone(), message);
            }
            found.extend(last.into_values());
        }
        found.sort_by_key(|message| message.seq);
        Ok(found)
    }

    /// The last message on this subject, which has no wildcards. The stream's leader answers.
    pub(crate) async fn last_on_in_json(
        &self,
        stream: &str,
        subject: &str,
    ) -> Result<Option<StreamMessage>, ApiError> {
        let request = MessageRequest { last_by_subj: Some(subject), ..MessageRequest::default() };
        let found = self.ask_in_json(stream, &request).await?;
        self.unreadable.keep(stream, .., subject, &sequences(found.as_slice()));
        Ok(found)
    }

    /// The unreadable messages on this subject in this range, with few requests at a time.
    pub(crate) async fn find_unreadable(
        &self,
        stream: &str,
        subject: &str,
        from: u64,
        until: u64,
    ) -> Result<Vec<StreamMessage>, TransportError> {
        self.all_in_json(stream, subject, from, until, StreamMessage::is_unreadable).await
    }

    /// The messages on this subject in this range that `wanted` takes, in their order. Several lanes read a part
    /// of the range each, so that a list does not wait for one answer after the other.
    async fn all_in_json(
        &self,
        stream: &str,
        subject: &str,
        from: u64,
        until: u64,
        wanted: fn(&StreamMessage) -> bool,
    ) -> Result<Vec<StreamMessage>, TransportError> {
        let lanes = lanes(from, until).map(|lane| async move {
            let (mut at, end) = lane.into_inner();
            let mut found = Vec::new();
            while at <= end {
                let Some(message) = self.next_in_json(stream, subject, at).await? else { break };
                if message.seq > end {
                    break;
                }
                at = message.seq + 1;
                found.extend(Some(message).filter(wanted));
            }
            Ok::<_, TransportError>(found)
        });
        Ok(try_join_all(lanes).await?.into_iter().flatten().collect())
    }

    async fn message_in_json(
        &self,
        stream: &str,
        request: &MessageRequest<'_>,
    ) -> Result<Option<StreamMessage>, TransportError> {
        let answer = self.ask_in_json(stream, request).await;
        answer.map_err(|error| self.not_read_in_json(stream, error))
    }

    async fn ask_in_json(
        &self,
        stream: &str,
        request: &MessageRequest<'_>,
    ) -> Result<Option<StreamMessage>, ApiError> {
        let what = api::message_get(stream);
        match self.call_with_retry::<_, MessageReply>(&what, request).await {
            Ok(reply) => Ok(Some(self.read_json(stream, reply.message)?)),
            Err(error) if error.is(NO_MESSAGE) || error.is(STREAM_NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn not_read_in_json(&self, stream: &str, error: ApiError) -> TransportError {
        if error.is_permission() {
            lock(&self.json_denied).insert(stream.to_owned());
            tracing::error!(
                stream,
                "the connection was lost while messages of this stream were read; one of them may \
                 be unreadable for NATS clients. NAQ could find it, but this user may not publish \
                 to {}: allow it",
                api::message_get(stream)
            );
        }
        error.into_transport("read a message", self.url())
    }

    fn read_json(&self, stream: &str, raw: RawMessage) -> Result<StreamMessage, TransportError> {
        let bytes = |text: Option<String>| {
            STANDARD.decode(text.unwrap_or_default()).map_err(|e| TransportError::Rejected {
                what: api::message_get(stream),
                reason: format!("the reply cannot be read: {e}"),
            })
        };
        let block = bytes(raw.hdrs)?;
        let body = bytes(raw.data)?.into();
        let read =
            header_block::check_subject(&raw.subject).and_then(|()| header_block::read(&block));
        let headers = read.unwrap_or_else(|reason| {
            if self.unreadable.add(stream, raw.seq, &raw.subject) {
                tracing::warn!(
                    stream,
                    seq = raw.seq,
                    subject = %raw.subject.escape_debug(),
                    reason,
                    "this message breaks the connection of each NATS client that reads it; NAQ \
                     reads it in another way"
                );
            }
            unreadable_headers(reason, &block)
        });
        let stored_at = raw.time.parse().unwrap_or_default();
        Ok(StreamMessage { subject: raw.subject, seq: raw.seq, stored_at, headers, body })
    }
}

/// The parts of a range that are read at the same time, in order.
fn lanes(from: u64, until: u64) -> impl Iterator<Item = RangeInclusive<u64>> {
    let all = until.saturating_sub(from).saturating_add(1);
    let width = all.div_ceil(PARALLEL as u64).max(LANE);
    let starts = (0..PARALLEL as u64).map(move |lane| from.saturating_add(lane * width));
    let starts = starts.take_while(move |start| *start <= until);
    starts.map(move |start| start..=start.saturating_add(width - 1).min(until))
}

fn sequences(messages: &[StreamMessage]) -> Vec<u64> {
    messages.iter().map(|message| message.seq).collect()
}

/// The headers in the place of those that cannot be read: what is wrong, and the bytes.
fn unreadable_headers(reason: &str, block: &[u8]) -> HeaderMap {
    let mut map = HeaderMap::new();
    map.insert(headers::UNREADABLE, reason);
    let kept = &block[..block.len().min(MAX_RAW_HEADERS)];
    map.insert(headers::RAW_HEADERS, STANDARD.encode(kept));
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_cover_a_range_once_and_are_few_for_a_short_one() {
        for (from, until, count) in [(1, 200, 25), (5, 5, 1), (7, 30, 3), (1, 100_000, 32)] {
            let lanes: Vec<_> = lanes(from, until).collect();
            assert_eq!(lanes.len(), count, "{from}..={until}");
            let read: Vec<u64> = lanes.into_iter().flatten().collect();
            assert!(read.into_iter().eq(from..=until), "{from}..={until}");
        }
        assert_eq!(lanes(9, 8).count(), 0);
    }
}
