//! Direct gets in batches: many messages for one request. async-nats asks for one at a time.

use async_nats::{HeaderMap, Message, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use naq_core::Timestamp;
use naq_core::transport::{Stored, TransportError};
use serde::Serialize;
use tokio::time::timeout;

use crate::api::Api;
use crate::error::ApiError;
use crate::link::Trouble;
use crate::message::incoming;
use crate::subjects::api;

/// Subjects asked for at once.
const BATCH: usize = 1000;
const NO_RESULTS: u16 = 404;
const NO_RESPONDERS: u16 = 503;

/// A message as a stream holds it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) subject: String,
    pub(crate) seq: u64,
    pub(crate) stored_at: Timestamp,
    headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Held {
    /// Whether it has this header.
    pub(crate) fn is_by(&self, name: &str, value: &str) -> bool {
        self.headers.get(name).is_some_and(|found| found.as_str() == value)
    }
}

/// What a batch brought, and how much it left.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) held: Vec<Held>,
    /// Messages that fit and come after these.
    pub(crate) left: u64,
}

#[derive(Debug, Default, Serialize)]
struct Get<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    batch: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_by_subj: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    multi_last: &'a [String],
}

impl Api {
    /// The last message on each of these subjects, which may have wildcards.
    pub(crate) async fn last_of(
        &self,
        stream: &str,
        subjects: Vec<String>,
    ) -> Result<Vec<Held>, TransportError> {
        let mut found = Vec::new();
        for chunk in subjects.chunks(BATCH) {
            let mut open = chunk.to_vec();
            loop {
                let ask = Get { batch: BATCH, multi_last: &open, ..Get::default() };
                let batch = self.get_again(stream, &ask).await?;
                let more = batch.left > 0 && !batch.held.is_empty();
                if more {
                    open.retain(|subject| batch.held.iter().all(|held| held.subject != *subject));
                }
                found.extend(batch.held);
                if !more || open.is_empty() {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Messages on this subject, which may have wildcards, from sequence `from` on.
    pub(crate) async fn next_of(
        &self,
        stream: &str,
        subject: &str,
        from: u64,
        limit: usize,
    ) -> Result<Batch, TransportError> {
        let ask = Get {
            seq: Some(from.max(1)),
            batch: limit.clamp(1, BATCH),
            next_by_subj: Some(subject),
            ..Get::default()
        };
        self.get_again(stream, &ask).await
    }

    /// How many messages stand on this subject.
    pub(crate) async fn count(&self, stream: &str, subject: &str) -> Result<u64, TransportError> {
        let first = self.next_of(stream, subject, 1, 1).await?;
        Ok(first.held.len() as u64 + first.left)
    }

    /// Whether the stream still holds the message of this sequence.
    pub(crate) async fn holds_seq(&self, stream: &str, seq: u64) -> Result<bool, TransportError> {
        #[derive(Serialize)]
        struct BySeq {
            seq: u64,
        }
        Ok(!self.get_again(stream, &BySeq { seq }).await?.held.is_empty())
    }

    async fn get_again<T: Serialize + Sync>(
        &self,
        stream: &str,
        ask: &T,
    ) -> Result<Batch, TransportError> {
        let subject = api::direct_get(stream);
        let mut tries = self.tries("ask", &subject);
        loop {
            match self.get(&subject, ask).await {
                Ok(batch) => return Ok(batch),
                // No stream holds nothing; a stream without a leader must be waited for.
                Err(ApiError::NoResponders) => match self.stream_info(stream).await {
                    Ok(None) => return Ok(Batch::default()),
                    _ => tries.again(ApiError::NoResponders).await?,
                },
                Err(error) => tries.again(error).await?,
            }
        }
    }

    async fn get<T: Serialize + Sync>(&self, subject: &str, ask: &T) -> Result<Batch, ApiError> {
        let rejected = |reason: String| TransportError::Rejected { what: subject.into(), reason };
        let body = serde_json::to_vec(ask).map_err(|e| rejected(e.to_string()))?;
        let patience = self.config.answer_timeout;
        let before = self.link.now();
        let mut answers = match timeout(patience, self.ask(subject, body.into())).await {
            Ok(asked) => asked?,
            Err(_) => return Err(self.unanswered(subject, patience).into()),
        };
        let mut batch = Batch::default();
        loop {
            let answer = tokio::select! {
                answer = timeout(patience, answers.next()) => answer,
                trouble = self.link.trouble(before, subject, &self.config.inbox_prefix) => {
                    return Err(match trouble {
                        Trouble::Refused(subject) => TransportError::Permission { subject }.into(),
                        Trouble::Lost => self.unanswered(subject, patience).into(),
                    });
                }
            };
            let Ok(Some(answer)) = answer else {
                return Err(self.unanswered(subject, patience).into());
            };
            if read(answer, &mut batch)? {
                return Ok(batch);
            }
        }
    }

    async fn ask(&self, subject: &str, body: Bytes) -> Result<Subscriber, TransportError> {
        let rejected = |reason: String| TransportError::Rejected { what: subject.into(), reason };
        self.link.connected().await;
        let inbox = self.client().new_inbox();
        let answers = self.client().subscribe(inbox.clone()).await;
        let answers = answers.map_err(|e| rejected(e.to_string()))?;
        let asked = self.client().publish_with_reply(subject.to_owned(), inbox, body).await;
        asked.map_err(|e| rejected(e.to_string()))?;
        Ok(answers)
    }

    /// The message as the ports know it; none when its subject is no job's, or it is a marker.
    pub(crate) fn stored(&self, held: Held) -> Option<Stored> {
        self.anything(held).filter(|stored| !stored.message.is_marker())
    }

    /// The same, be it a marker.
    pub(crate) fn anything(&self, held: Held) -> Option<Stored> {
        let parsed = self.subjects.parse(&held.subject)?;
        let id = parsed.id?;
        Some(Stored {
            key: naq_core::transport::JobKey { queue: parsed.queue, id },
            place: parsed.place,
            seq: held.seq,
            stored_at: held.stored_at,
            due_at: self.due_at(&held.headers),
            delivered: false,
            message: incoming(Some(&held.headers), held.body),
        })
    }
}

/// Takes in one answer; true when it was the last. Everything that the broker adds to a message
/// comes after what the message brought along: a header by hand cannot pass for the broker's.
fn read(answer: Message, batch: &mut Batch) -> Result<bool, ApiError> {
    let headers = answer.headers.unwrap_or_default();
    let last = |name: &str| headers.get_last(name).map(|value| value.as_str().to_owned());
    let number = |name: &str| last(name).and_then(|value| value.parse::<u64>().ok());
    if let (Some(subject), Some(seq)) = (last("Nats-Subject"), number("Nats-Sequence")) {
        let stored_at = last("Nats-Time-Stamp").and_then(|at| at.parse().ok()).unwrap_or_default();
        let pending = number("Nats-Num-Pending");
        batch.left = pending.unwrap_or(0);
        let body = answer.payload;
        batch.held.push(Held { subject, seq, stored_at, headers, body });
        // A get of one message by its sequence says nothing of others, and is answered once.
        return Ok(pending.is_none());
    }
    match answer.status.map(|status| status.as_u16()) {
        Some(NO_RESPONDERS) => Err(ApiError::NoResponders),
        // The end of the batch, or nothing there.
        Some(NO_RESULTS | 204) => {
            batch.left = number("Nats-Num-Pending").unwrap_or(batch.left);
            Ok(true)
        }
        status => Err(TransportError::Rejected {
            what: "look messages up".into(),
            reason: format!("{} ({status:?})", answer.description.unwrap_or_default()),
        }
        .into()),
    }
}
