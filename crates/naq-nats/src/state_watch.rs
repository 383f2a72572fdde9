//! Watches what all workers share: an ephemeral consumer that is told the last message on each
//! subject, then each that comes, with nothing to ask or to ack. It tells what a plain subscription
//! does not: revisions, and what the broker itself writes when an entry's time is up.

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

use crate::api::Api;
use crate::error::{ApiError, STREAM_NOT_FOUND};
use crate::subjects::{AckSubject, api};
use crate::topology::CreateConsumer;

/// How often the broker says that there is nothing to say.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Silence after which the watch is over: its consumer is gone, with the server that had it.
const SILENCE: Duration = Duration::from_secs(12);
/// The broker removes a consumer that nobody has listened to for this long.
const ABANDONED: Duration = Duration::from_secs(5);

pub(crate) struct Watch {
    api: Arc<Api>,
    /// How often the connection had been lost when it began.
    losses: u64,
    /// Messages so far: the broker numbers them, so that a gap shows.
    told: u64,
    inbox: Subscriber,
}

impl Watch {
    pub(crate) async fn begin(api: &Arc<Api>, prefix: &StateKey) -> Result<Self, TransportError> {
        let filter = api.subjects.states(prefix);
        api.link.connected().await;
        let losses = api.link.now().losses;
        let subject = api.client().new_inbox();
        let inbox = api.client().subscribe(subject.clone()).await;
        let inbox = inbox.map_err(|e| TransportError::Rejected {
            what: format!("watch {filter}"),
            reason: e.to_string(),
        })?;
        api.create_watch(subject, filter).await?;
        Ok(Self { api: api.clone(), losses, told: 0, inbox })
    }

    /// The change that a message tells of; an error when one is missing before it.
    fn read(&mut self, message: &Message) -> Result<Option<StateChange>, ()> {
        let meta = message.reply.as_deref().and_then(AckSubject::parse).ok_or(())?;
        self.told += 1;
        if meta.consumer_seq != self.told {
            return Err(());
        }
        // What is no key was written by somebody else.
        let Some(key) = self.api.subjects.state_key(&message.subject) else { return Ok(None) };
        // An empty message is the mark of what was.
        let entry = (!message.payload.is_empty()).then(|| StateEntry {
            key: key.clone(),
            revision: meta.seq,
            stored_at: Timestamp::from_millis(meta.stored_ns / 1_000_000),
            value: message.payload.clone(),
        });
        Ok(Some(StateChange { key, entry }))
    }

    /// A word of the broker's own. It waits for an answer after a while of many messages.
    async fn answer(&self, message: Message) {
        let stalled = message.headers.as_ref().and_then(|h| h.get("Nats-Consumer-Stalled"));
        let reply = message.reply.or_else(|| stalled.map(|subject| subject.as_str().into()));
        if let Some(reply) = reply {
            // If it does not get there, the connection is gone, and so is this watch.
            let _ = self.api.client().publish(reply, "".into()).await;
        }
    }
}

impl Api {
    async fn create_watch(&self, inbox: String, filter: String) -> Result<(), TransportError> {
        let stream = self.subjects.state_stream();
        let name = format!("watch-{}", JobId::random());
        let subject = api::consumer_create(&stream, &name, &filter);
        let config = Config {
            name: Some(name),
            deliver_subject: Some(inbox),
            deliver_policy: DeliverPolicy::LastPerSubject,
            ack_policy: AckPolicy::None,
            filter_subject: filter,
            flow_control: true,
            idle_heartbeat: HEARTBEAT,
            inactive_threshold: ABANDONED,
            memory_storage: true,
            num_replicas: 1,
            ..Config::default()
        };
        let ask = CreateConsumer { stream_name: &stream, config: &config, action: "create" };
        let mut tries = self.tries("watch", &subject);
        loop {
            match self.call::<_, IgnoredAny>(&subject, &ask).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is(STREAM_NOT_FOUND) => {
                    if !self.ensure_stream(&self.state_config()).await? {
                        tries.again(ApiError::NoResponders).await?;
                    }
                }
                Err(error) => tries.again(error).await?,
            }
        }
    }
}

#[async_trait]
impl StateWatch for Watch {
    async fn next(&mut self) -> Option<StateChange> {
        let mut since = self.api.link.now();
        since.losses = self.losses;
        loop {
            let message = tokio::select! {
                message = timeout(SILENCE, self.inbox.next()) => message.ok()??,
                () = self.api.link.lost(since) => return None,
            };
            if message.status.is_some() {
                self.answer(message).await;
            } else if let Some(change) = self.read(&message).ok()? {
                return Some(change);
            }
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("told", &self.told).finish_non_exhaustive()
    }
}
