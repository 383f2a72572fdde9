//! Watches a part of the state store with an ephemeral push consumer. It receives the last message
//! on each subject and then each new one, without requests and acks. Unlike a plain subscription it
//! reports revisions, and the delete markers that the broker writes when an entry expires.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Config, DeliverPolicy};
use async_nats::{Message, Subscriber};
use async_trait::async_trait;
use futures_util::StreamExt;
use naq_core::transport::{StateChange, StateEntry, StateKey, StateWatch, TransportError};
use naq_core::{JobId, Timestamp};
use serde::de::IgnoredAny;
use tokio::time::timeout;

use crate::ack_subject::AckSubject;
use crate::api::Api;
use crate::error::ApiError;
use crate::error_codes::STREAM_NOT_FOUND;
use crate::message::OPERATION;
use crate::stream_info::CreateConsumer;
use crate::subjects::{StatePart, api};

/// How many existing entries one request reads.
const PAGE: usize = 1000;
/// How often the broker sends a heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// After this much silence the watch has ended: its consumer is gone, with the server that ran it.
const SILENCE: Duration = Duration::from_secs(12);
/// The broker removes a consumer without a subscriber after this time.
const INACTIVE_AFTER: Duration = Duration::from_secs(5);

pub(crate) struct NatsStateWatch {
    api: Arc<Api>,
    /// How often the connection had been lost when the watch began.
    losses: u64,
    /// The entries that existed when the watch began, if it began with a read of them.
    existing: VecDeque<StateEntry>,
    /// How many messages have arrived. The broker numbers them, so a gap can be seen.
    delivered: u64,
    inbox: Subscriber,
    /// Keys whose removal was reported, until the broker's delete marker for the tombstone arrives.
    removed: HashSet<StateKey>,
}

impl NatsStateWatch {
    pub(crate) async fn begin(api: &Arc<Api>, prefix: &StateKey) -> Result<Self, TransportError> {
        let (part, filter) = (StatePart::of(prefix), api.subjects.states(prefix));
        api.connection.connected().await;
        let losses = api.connection.state().losses;
        // An entry that the client cannot parse breaks the connection when the consumer delivers it. So
        // after a loss the existing entries are read in another way, and the consumer begins after them.
        let (existing, begin) = match losses {
            0 => (Vec::new(), None),
            _ => api.existing_entries(part, &filter).await?,
        };
        let subject = api.client().new_inbox();
        let inbox = api.subscribe(&subject).await?;
        api.create_watch(part, subject, filter, begin).await?;
        let removed = HashSet::new();
        Ok(Self {
            api: api.clone(),
            losses,
            existing: existing.into(),
            delivered: 0,
            inbox,
            removed,
        })
    }

    /// The change in a message. An error if an earlier message is missing.
    fn read(&mut self, message: &Message) -> Result<Option<StateChange>, ()> {
        let meta = message.reply.as_deref().and_then(AckSubject::parse).ok_or(())?;
        self.delivered += 1;
        if meta.consumer_seq != self.delivered {
            return Err(());
        }
        // A subject without a valid key was not written by NAQ.
        let Some(key) = self.api.subjects.state_key(&message.subject) else { return Ok(None) };
        if !message.payload.is_empty() {
            self.removed.remove(&key);
        } else if message.headers.as_ref().is_some_and(|it| it.get(OPERATION).is_some()) {
            self.removed.insert(key.clone());
        } else if self.removed.remove(&key) {
            // The tombstone has expired. The removal was reported.
            return Ok(None);
        }
        // An empty message is a tombstone, or the delete marker of an entry that expired.
        let entry = (!message.payload.is_empty()).then(|| StateEntry {
            key: key.clone(),
            revision: meta.seq,
            stored_at: Timestamp::from_millis(meta.stored_ns / 1_000_000),
            value: message.payload.clone(),
        });
        Ok(Some(StateChange { key, entry }))
    }

    /// Replies to a message of the broker's flow control. Without this reply the broker stops
    /// sending.
    async fn reply_to_flow_control(&self, message: Message) {
        let stalled = message.headers.as_ref().and_then(|h| h.get("Nats-Consumer-Stalled"));
        let reply = message.reply.or_else(|| stalled.map(|subject| subject.as_str().into()));
        if let Some(reply) = reply {
            // If this fails, the connection is lost, and the watch ends.
            let _ = self.api.client().publish(reply, "".into()).await;
        }
    }
}

impl Api {
    /// All entries on these subjects, and the sequence after them. `None` if the stream does not exist.
    async fn existing_entries(
        &self,
        part: StatePart,
        filter: &str,
    ) -> Result<(Vec<StateEntry>, Option<u64>), TransportError> {
        let stream = self.subjects.state_stream(part);
        let info = self.stream_info(&stream).await;
        let info = info.map_err(|e| e.into_transport("read the state store", self.url()))?;
        let Some(info) = info else { return Ok((Vec::new(), None)) };
        let last = info.state.last_seq;
        let mut entries = Vec::new();
        let mut from = 1;
        loop {
            let batch = self.next_of(&stream, filter, from, PAGE).await?;
            let next = batch.messages.last().filter(|_| batch.left > 0).map(|it| it.seq + 1);
            let read = batch.messages.iter().filter(|message| message.seq <= last);
            entries.extend(read.filter_map(|message| self.entry(message)));
            match next.filter(|next| *next <= last) {
                Some(next) => from = next,
                None => return Ok((entries, Some(last + 1))),
            }
        }
    }

    /// `begin` is the sequence at which the watch begins; `None` for the last message of each subject.
    async fn create_watch(
        &self,
        part: StatePart,
        inbox: String,
        filter: String,
        begin: Option<u64>,
    ) -> Result<(), TransportError> {
        let stream = self.subjects.state_stream(part);
        let name = format!("watch-{}", JobId::random());
        let subject = api::consumer_create(&stream, &name, &filter);
        let config = Config {
            name: Some(name),
            deliver_subject: Some(inbox),
            deliver_policy: begin.map_or(DeliverPolicy::LastPerSubject, |start_sequence| {
                DeliverPolicy::ByStartSequence { start_sequence }
            }),
            ack_policy: AckPolicy::None,
            filter_subject: filter,
            flow_control: true,
            idle_heartbeat: HEARTBEAT,
            inactive_threshold: INACTIVE_AFTER,
            memory_storage: true,
            num_replicas: 1,
            ..Config::default()
        };
        let request = CreateConsumer { stream_name: &stream, config: &config, action: "create" };
        let mut retry = self.request_retry("watch", &subject);
        loop {
            match self.call::<_, IgnoredAny>(&subject, &request).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is(STREAM_NOT_FOUND) => {
                    if !self.ensure_stream(&self.configs().part_config(part)).await? {
                        retry.wait_to_retry(ApiError::NoResponders).await?;
                    }
                }
                Err(error) => retry.wait_to_retry(error).await?,
            }
        }
    }
}

#[async_trait]
impl StateWatch for NatsStateWatch {
    async fn next(&mut self) -> Option<StateChange> {
        if let Some(entry) = self.existing.pop_front() {
            return Some(StateChange { key: entry.key.clone(), entry: Some(entry) });
        }
        let mut since = self.api.connection.state();
        since.losses = self.losses;
        loop {
            let message = tokio::select! {
                message = timeout(SILENCE, self.inbox.next()) => message.ok()??,
                () = self.api.connection.lost(since) => return None,
            };
            // The author of an entry may have given its message a status line, too.
            let is_entry = message.reply.as_deref().and_then(AckSubject::parse).is_some();
            if message.status.is_some() && !is_entry {
                self.reply_to_flow_control(message).await;
            } else if let Some(change) = self.read(&message).ok()? {
                return Some(change);
            }
        }
    }
}

impl fmt::Debug for NatsStateWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsStateWatch").field("delivered", &self.delivered).finish_non_exhaustive()
    }
}
