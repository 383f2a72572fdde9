//! Direct gets in batches: one request reads many messages. async-nats reads one message per
//! request.

use async_nats::header::NATS_SCHEDULE;
use async_nats::{HeaderMap, Message, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use naq_core::Timestamp;
use naq_core::transport::{JobKey, Stored, TransportError};
use naq_core::wire::headers;
use serde::Serialize;
use tokio::time::timeout;

use crate::api::Api;
use crate::connection_monitor::NoAnswer;
use crate::error::ApiError;
use crate::error_codes;
use crate::message::incoming;
use crate::subjects::api;
use crate::under_way::READ_AT_ONCE;

/// How many subjects or messages one request may ask for.
const BATCH: usize = 1000;
/// How often the connection may be lost during one request before its messages are suspected.
const UNCLEAR_LOSSES: u64 = 2;
/// How many reads of single subjects wait for their replies at the same time.
const PARALLEL: usize = 64;
const NO_RESULTS: u16 = 404;
const NO_RESPONDERS: u16 = 503;

/// A message of a stream.
#[derive(Debug)]
pub(crate) struct StreamMessage {
    pub(crate) subject: String,
    pub(crate) seq: u64,
    pub(crate) stored_at: Timestamp,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl StreamMessage {
    /// When the broker repeats it. `None` if it does not, or if it waits for one time only.
    pub(crate) fn repeats(&self) -> Option<&str> {
        let times = self.headers.get(NATS_SCHEDULE)?.as_str();
        (!times.starts_with("@at ")).then_some(times)
    }

    /// Whether the client could not parse its headers or its subject. Then its headers say why.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.headers.get(headers::UNREADABLE).is_some()
    }

    /// Whether it has this header with this value.
    pub(crate) fn has_header(&self, name: &str, value: &str) -> bool {
        self.headers.get(name).is_some_and(|found| found.as_str() == value)
    }
}

/// The messages of one reply, and how many more match.
#[derive(Debug, Default)]
pub(crate) struct DirectGetBatch {
    pub(crate) messages: Vec<StreamMessage>,
    /// How many more messages match. Another request can read them.
    pub(crate) left: u64,
    /// For the last messages of subjects: the stream's last sequence at the first request. The requests
    /// for the rest name it, so that all see the same messages.
    up_to: Option<u64>,
}

#[derive(Debug, Default, Serialize)]
struct DirectGetRequest<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    up_to_seq: Option<u64>,
    batch: usize,
    max_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_by_subj: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    multi_last: &'a [String],
}

impl Api {
    /// The last message on each of these subjects, which may contain wildcards.
    pub(crate) async fn last_of(
        &self,
        stream: &str,
        subjects: Vec<String>,
    ) -> Result<Vec<StreamMessage>, TransportError> {
        let mut found = Vec::new();
        for chunk in subjects.chunks(BATCH) {
            let wildcards = chunk.iter().any(|subject| subject.contains(['*', '>']));
            if !wildcards && self.single_reads.only(stream) {
                found.extend(self.last_of_singly(stream, chunk).await?);
                continue;
            }
            if !wildcards && let Some(messages) = self.last_by_leader(stream, chunk).await? {
                found.extend(messages);
                continue;
            }
            let is_unreadable = self.unreadable.any_on(stream, chunk);
            let direct = if is_unreadable { None } else { self.direct_last(stream, chunk).await? };
            found.extend(match direct {
                Some(messages) => messages,
                None => self.last_in_json(stream, chunk).await?,
            });
        }
        Ok(found)
    }

    /// One request for the last messages of these subjects. `None` if one of the messages may break the
    /// connection.
    pub(crate) async fn direct_last_once(
        &self,
        stream: &str,
        subjects: &[String],
    ) -> Result<Option<DirectGetBatch>, TransportError> {
        let request = DirectGetRequest {
            batch: subjects.len(),
            max_bytes: READ_AT_ONCE,
            multi_last: subjects,
            ..DirectGetRequest::default()
        };
        self.get_with_retry(stream, &api::direct_get(stream), &request, subjects.len()).await
    }

    /// `None` if one of the messages may break the connection.
    async fn direct_last(
        &self,
        stream: &str,
        chunk: &[String],
    ) -> Result<Option<Vec<StreamMessage>>, TransportError> {
        let mut found = Vec::new();
        let subject = api::direct_get(stream);
        let mut request = DirectGetRequest {
            batch: BATCH,
            max_bytes: READ_AT_ONCE,
            multi_last: chunk,
            ..DirectGetRequest::default()
        };
        let wildcards = chunk.iter().any(|subject| subject.contains(['*', '>']));
        let most = if wildcards { BATCH } else { chunk.len() };
        loop {
            let answer = self.get_with_retry(stream, &subject, &request, most).await;
            let batch = match answer {
                Ok(Some(batch)) => batch,
                Ok(None) => return Ok(None),
                Err(TransportError::Permission { .. }) if !wildcards => {
                    return self.last_of_singly(stream, chunk).await.map(Some);
                }
                Err(error) => return Err(error),
            };
            // The broker sends them in the order of their sequences.
            let last = batch.messages.last().filter(|_| batch.left > 0);
            request.seq = last.map(|message| message.seq + 1);
            request.up_to_seq = batch.up_to;
            found.extend(batch.messages);
            if request.seq.is_none() {
                return Ok(Some(found));
            }
        }
    }

    /// The last message on each of these subjects, without wildcards, with one request for each.
    pub(crate) async fn last_of_singly(
        &self,
        stream: &str,
        subjects: &[String],
    ) -> Result<Vec<StreamMessage>, TransportError> {
        let mut found = Vec::with_capacity(subjects.len());
        for some in subjects.chunks(PARALLEL) {
            let requests: Vec<_> = some.iter().map(|it| api::direct_get_last(stream, it)).collect();
            let reads = requests.iter().map(|it| self.get_with_retry(stream, it, &(), 1));
            for (it, batch) in some.iter().zip(try_join_all(reads).await?) {
                match batch {
                    Some(batch) => found.extend(batch.messages),
                    None => {
                        found.extend(self.last_in_json(stream, std::slice::from_ref(it)).await?)
                    }
                }
            }
        }
        self.single_reads.note(stream);
        Ok(found)
    }

    /// The messages on this subject, which may contain wildcards, from sequence `from` on.
    pub(crate) async fn next_of(
        &self,
        stream: &str,
        subject: &str,
        from: u64,
        limit: usize,
    ) -> Result<DirectGetBatch, TransportError> {
        if !self.unreadable.any_in(stream, from..)
            && let Some(batch) = self.try_direct_next(stream, subject, from, limit).await?
        {
            return Ok(batch);
        }
        self.batch_in_json(stream, subject, from, limit).await
    }

    /// `None` if one of the messages may break the connection.
    pub(crate) async fn try_direct_next(
        &self,
        stream: &str,
        subject: &str,
        from: u64,
        limit: usize,
    ) -> Result<Option<DirectGetBatch>, TransportError> {
        let request = DirectGetRequest {
            seq: Some(from.max(1)),
            batch: limit.clamp(1, BATCH),
            max_bytes: READ_AT_ONCE,
            next_by_subj: Some(subject),
            ..DirectGetRequest::default()
        };
        self.get_with_retry(stream, &api::direct_get(stream), &request, request.batch).await
    }

    /// How many messages are stored on this subject.
    pub(crate) async fn count(&self, stream: &str, subject: &str) -> Result<u64, TransportError> {
        let first = self.next_of(stream, subject, 1, 1).await?;
        Ok(first.messages.len() as u64 + first.left)
    }

    /// The message with this sequence.
    pub(crate) async fn message_at(
        &self,
        stream: &str,
        seq: u64,
    ) -> Result<Option<StreamMessage>, TransportError> {
        #[derive(Serialize)]
        struct BySeq {
            seq: u64,
        }
        if !self.unreadable.any_in(stream, seq..=seq)
            && let Some(mut batch) =
                self.get_with_retry(stream, &api::direct_get(stream), &BySeq { seq }, 1).await?
        {
            return Ok(batch.messages.pop());
        }
        self.message_at_in_json(stream, seq).await
    }

    /// `most` is how many messages the answer can have. `None` if the connection was lost at this
    /// request, so that one of the messages may be the cause: the caller reads them in JSON.
    async fn get_with_retry<T: Serialize + Sync>(
        &self,
        stream: &str,
        subject: &str,
        request: &T,
        most: usize,
    ) -> Result<Option<DirectGetBatch>, TransportError> {
        let mut retry = self.request_retry("request", subject);
        let mut losses = 0;
        loop {
            let before = self.connection.state();
            let error = match self.get(subject, request, most).await {
                Ok(batch) => return Ok(Some(batch)),
                // A stream that does not exist has no messages. A stream without a leader gets one
                // soon, so this waits.
                Err(ApiError::NoResponders) => match self.stream_info(stream).await {
                    Ok(None) => return Ok(Some(DirectGetBatch::default())),
                    // A single server elects no leader: another try would get the same answer.
                    Err(error) if error.is_permission() && !self.is_clustered() => {
                        return Err(error.into_transport("look for the stream", self.url()));
                    }
                    _ => ApiError::NoResponders,
                },
                Err(error) => error,
            };
            let now = self.connection.state();
            losses += u64::from(now.losses > before.losses);
            // A connection that was lost once may have been lost for another reason.
            if (now.ends > before.ends || losses >= UNCLEAR_LOSSES) && self.may_read_json(stream) {
                return Ok(None);
            }
            retry.wait_to_retry(error).await?;
        }
    }

    fn is_clustered(&self) -> bool {
        self.client().server_info().cluster.is_some()
    }

    async fn get<T: Serialize + Sync>(
        &self,
        subject: &str,
        request: &T,
        most: usize,
    ) -> Result<DirectGetBatch, ApiError> {
        let rejected = |reason: String| TransportError::Rejected { what: subject.into(), reason };
        let mut body = serde_json::to_vec(request).map_err(|e| rejected(e.to_string()))?;
        if body == b"null" {
            // A request that names the message in its subject needs an empty body.
            body.clear();
        }
        let time_limit = self.config.answer_timeout;
        let max_message = self.client().max_payload();
        let room = self.under_way.read(most, max_message, time_limit).await;
        let _room = room.ok_or_else(|| self.unanswered_error(subject, time_limit))?;
        let before = self.connection.state();
        let inbox = &self.config.inbox_prefix;
        let mut answers = match timeout(time_limit, self.send_request(subject, body.into())).await {
            Ok(answers) => answers?,
            Err(_) => return Err(self.unanswered_error(subject, time_limit).into()),
        };
        let mut batch = DirectGetBatch::default();
        loop {
            let answer = tokio::select! {
                answer = timeout(time_limit, answers.next()) => answer,
                no_answer = self.connection.wait_for_no_answer(before, subject, inbox) => {
                    return Err(match no_answer {
                        NoAnswer::Refused(subject) => TransportError::Permission { subject }.into(),
                        NoAnswer::Lost => self.unanswered_error(subject, time_limit).into(),
                    });
                }
            };
            let Ok(Some(answer)) = answer else {
                return Err(self.unanswered_error(subject, time_limit).into());
            };
            if read(answer, &mut batch)? {
                return Ok(batch);
            }
        }
    }

    async fn send_request(&self, subject: &str, body: Bytes) -> Result<Subscriber, TransportError> {
        self.connection.connected().await;
        let client = self.client();
        let inbox = client.new_inbox();
        let answers = self.subscribe_on(&client, &inbox).await?;
        let sent = client.publish_with_reply(subject.to_owned(), inbox, body).await;
        sent.map_err(|e| self.publish_error(subject, &e))?;
        Ok(answers)
    }

    /// The message as the ports define it. `None` if its subject is not a job's, or if it is a
    /// marker.
    pub(crate) fn to_stored(&self, message: StreamMessage) -> Option<Stored> {
        self.to_stored_or_marker(message).filter(|stored| !stored.message.is_marker())
    }

    /// Like [`to_stored`](Self::to_stored), but also returns markers.
    pub(crate) fn to_stored_or_marker(&self, message: StreamMessage) -> Option<Stored> {
        let parsed = self.subjects.parse(&message.subject)?;
        let id = parsed.id?;
        Some(Stored {
            key: JobKey::new(parsed.queue, id),
            place: parsed.place,
            seq: message.seq,
            stored_at: message.stored_at,
            due_at: Self::due_at(&message.headers),
            delivered: false,
            message: incoming(Some(&message.headers), message.body),
        })
    }
}

/// Adds one reply to the batch. True if it was the last one. The broker puts its headers after
/// those of the message, so `get_last` never reads a header that a user has set.
fn read(answer: Message, batch: &mut DirectGetBatch) -> Result<bool, ApiError> {
    let headers = answer.headers.unwrap_or_default();
    let last = |name: &str| headers.get_last(name).map(|value| value.as_str().to_owned());
    let number = |name: &str| last(name).and_then(|value| value.parse::<u64>().ok());
    if let (Some(subject), Some(seq)) = (last("Nats-Subject"), number("Nats-Sequence")) {
        let stored_at = last("Nats-Time-Stamp").and_then(|at| at.parse().ok()).unwrap_or_default();
        let pending = number("Nats-Num-Pending");
        batch.left = pending.unwrap_or(0);
        let body = answer.payload;
        batch.messages.push(StreamMessage { subject, seq, stored_at, headers, body });
        // A get by sequence has exactly one reply, without a count of the others.
        return Ok(pending.is_none());
    }
    match answer.status.map(|status| status.as_u16()) {
        Some(NO_RESPONDERS) => Err(ApiError::NoResponders),
        // The end of the batch, or no messages at all.
        Some(NO_RESULTS | 204) => {
            batch.left = number("Nats-Num-Pending").unwrap_or(batch.left);
            batch.up_to = number("Nats-UpTo-Sequence");
            Ok(true)
        }
        status => {
            let what = "read messages".to_owned();
            let reason = format!("{} ({status:?})", answer.description.unwrap_or_default());
            Err(if status.is_some_and(error_codes::is_transient_status) {
                TransportError::Unavailable { what, reason }.into()
            } else {
                TransportError::Rejected { what, reason }.into()
            })
        }
    }
}
