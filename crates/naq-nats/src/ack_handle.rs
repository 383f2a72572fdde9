//! One delivery: reads it from a message, acks it and renews its lease.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subject, header};
use async_trait::async_trait;
use bytes::Bytes;
use naq_core::transport::{AckHandle, Delivery, JobKey, Place, Stored, TransportError};
use naq_core::{JobId, QueueName, Timestamp};
use tokio::time::Instant;

use crate::api::Api;
use crate::connection_monitor::ConnectionState;
use crate::consumer_era::{ConsumerEra, EraMark};
use crate::doubt::Doubt;
use crate::early::AHEAD;
use crate::message::incoming;
use crate::subjects::AckSubject;

/// How late the broker's timer may move a due job to the queue when nothing is wrong: twice its
/// tick.
const LATE: Duration = Duration::from_millis(500);
const ACK: &[u8] = b"+ACK";
const PROGRESS: &[u8] = b"+WPI";

/// The consumer that made a delivery, as this process knew it then.
#[derive(Debug)]
pub(crate) struct DeliveredBy {
    era: Arc<ConsumerEra>,
    mark: EraMark,
    /// How often the connection had been lost.
    losses: u64,
}

impl DeliveredBy {
    /// A delivery that arrives now, on an inbox that was opened on `connection`. A message of an inbox may
    /// be read after the connection was lost.
    pub(crate) fn now(era: &Arc<ConsumerEra>, connection: ConnectionState) -> Self {
        Self { era: Arc::clone(era), mark: era.mark(), losses: connection.losses }
    }

    /// Whether the consumer is known to be the same until now.
    fn is_known(&self, connection: ConnectionState) -> bool {
        self.losses == connection.losses && self.era.is_unbroken(self.mark, Instant::now())
    }
}

/// The reply subject of a delivery. A message to it acks the delivery or renews its lease.
#[derive(Debug)]
struct NatsAckHandle {
    api: Arc<Api>,
    reply: Subject,
    /// The subject of the message.
    subject: Subject,
    queue: QueueName,
    seq: u64,
    stored_at: Timestamp,
    /// `None` for a message that no consumer has delivered.
    by: Option<DeliveredBy>,
}

impl NatsAckHandle {
    /// Whether the stream has this message, or none, at its sequence. Asks the broker.
    async fn has_its_sequence(&self) -> Result<bool, TransportError> {
        let stream = self.api.subjects.queue_stream(&self.queue);
        let found = self.api.message_at(&stream, self.seq).await?;
        let same =
            found.is_none_or(|it| it.subject == *self.subject && it.stored_at == self.stored_at);
        if !same {
            tracing::warn!(
                queue = %self.queue,
                seq = self.seq,
                subject = %self.subject,
                "the broker has lost this message and given its sequence to another: not acked"
            );
        }
        Ok(same)
    }

    fn connected(&self, what: &str) -> Result<ConnectionState, TransportError> {
        // Without a connection, async-nats would store the message and report it as sent. It would
        // arrive at a broker that may have changed.
        let state = self.api.connection.state();
        if state.connected {
            Ok(state)
        } else {
            Err(self.api.unanswered_error(what, Duration::ZERO))
        }
    }
}

#[async_trait]
impl AckHandle for NatsAckHandle {
    async fn ack(&self) -> Result<(), TransportError> {
        let connection = self.connected("ack")?;
        let known = self.by.as_ref().is_some_and(|by| by.is_known(connection));
        if !known && !self.has_its_sequence().await? {
            return Ok(());
        }
        self.api.send(self.reply.clone(), Bytes::from_static(ACK)).await
    }

    async fn renew(&self) -> Result<(), TransportError> {
        let connection = self.connected("renew")?;
        let changed = self
            .by
            .as_ref()
            .is_none_or(|by| by.losses != connection.losses || by.era.has_changed(by.mark));
        // The lease of another job with this sequence is not renewed: its worker may be dead. A look
        // that fails must not cost the lease.
        if changed && self.has_its_sequence().await.is_ok_and(|same| !same) {
            return Ok(());
        }
        self.api.send(self.reply.clone(), Bytes::from_static(PROGRESS)).await
    }

    fn is_current(&self) -> bool {
        let connection = self.api.connection.state();
        connection.connected && self.by.as_ref().is_some_and(|by| by.is_known(connection))
    }
}

/// The consumer's own number of a delivery; `None` if the message is not one.
pub(crate) fn consumer_number(message: &Message) -> Option<u64> {
    Some(AckSubject::parse(message.reply.as_ref()?)?.consumer_seq)
}

/// Reads a delivery of `queue`; `None` if the message is not a delivery. A message about which there is
/// doubt is a suspect: it may have been settled before. So is a schedule message that arrives late, while
/// the broker may have moved it twice, and a message that arrived before the connection or the consumer
/// changed.
pub(crate) fn read_delivery(
    api: &Arc<Api>,
    queue: &QueueName,
    message: Message,
    doubt: Doubt,
    by: Option<DeliveredBy>,
) -> Option<Delivery> {
    let scheduled =
        message.headers.as_ref().is_some_and(|h| h.get(header::NATS_SCHEDULER).is_some());
    let reply = message.reply?;
    let ack = AckSubject::parse(&reply)?;
    let key = job_key(api, queue, &message.subject, ack.seq);
    let subject = message.subject.clone();
    let stored_at = Timestamp::from_millis(ack.stored_ns / 1_000_000);
    let stored = Stored {
        key,
        place: Place::Queue,
        seq: ack.seq,
        stored_at,
        due_at: None,
        delivered: true,
        message: incoming(message.headers.as_ref(), message.payload),
    };
    let known = by.as_ref().is_some_and(|by| by.is_known(api.connection.state()));
    let maybe_settled = doubt.maybe_settled(ack.seq);
    let maybe_repeated = scheduled && doubt.maybe_repeated(ack.seq, stored_at, || is_late(&stored));
    Some(Delivery {
        suspect: ack.delivered > 1
            || maybe_settled
            || maybe_repeated
            || !known
            || stored.message.is_suspect(),
        stored,
        delivered: ack.delivered,
        handle: Arc::new(NatsAckHandle {
            api: Arc::clone(api),
            reply,
            subject,
            queue: queue.clone(),
            seq: ack.seq,
            stored_at,
            by,
        }),
    })
}

/// A message that is in the queue and that the broker will not deliver. The broker removes it when
/// it is acked all the same: it looks only at the sequence in the reply subject (measured).
pub(crate) fn by_hand(api: &Arc<Api>, stored: Stored) -> Delivery {
    let subject = api.subjects.job(stored.place, &stored.key);
    by_hand_on(api, stored, &subject)
}

/// The same for a message whose subject does not name its job.
pub(crate) fn by_hand_on(api: &Arc<Api>, stored: Stored, subject: &str) -> Delivery {
    let stream = api.subjects.queue_stream(&stored.key.queue);
    let reply = AckSubject {
        delivered: 1,
        seq: stored.seq,
        consumer_seq: stored.seq,
        stored_ns: stored.stored_at.as_millis() * 1_000_000,
    };
    let handle = Arc::new(NatsAckHandle {
        api: Arc::clone(api),
        reply: reply.to_subject(&stream).into(),
        subject: subject.into(),
        queue: stored.key.queue.clone(),
        seq: stored.seq,
        stored_at: stored.stored_at,
        by: None,
    });
    Delivery { suspect: true, stored, delivered: 1, handle }
}

/// Whether the broker moved the message to the queue later than its timer explains.
fn is_late(stored: &Stored) -> bool {
    let moved_at = match stored.message.not_before() {
        Some(time) => Some(time.saturating_sub(AHEAD)),
        None => stored.envelope().ok().and_then(|envelope| envelope.due_at),
    };
    moved_at.is_some_and(|at| stored.stored_at.since(at) > LATE)
}

/// The job that a subject names. A message on a subject without a valid job id gets a generated id,
/// so that the worker can store it as a dead letter like any other unreadable message.
pub(crate) fn job_key(api: &Api, queue: &QueueName, subject: &str, seq: u64) -> JobKey {
    let named = api.subjects.parse(subject).and_then(|parsed| parsed.id);
    let generated = || JobId::new(format!("bad-{seq}")).unwrap_or_else(|_| JobId::random());
    JobKey::new(queue.clone(), named.unwrap_or_else(generated))
}
