//! One delivery: reads it from a message, acks it and renews its lease.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subject, header};
use async_trait::async_trait;
use bytes::Bytes;
use naq_core::transport::{AckHandle, Delivery, JobKey, Place, Stored, TransportError};
use naq_core::{JobId, QueueName, Timestamp};

use crate::api::Api;
use crate::message::incoming;
use crate::subjects::AckSubject;

/// How late the broker's timer may move a due job to the queue when nothing is wrong: twice its
/// tick.
const LATE: Duration = Duration::from_millis(500);
const ACK: &[u8] = b"+ACK";
const PROGRESS: &[u8] = b"+WPI";

/// The reply subject of a delivery. A message to it acks the delivery or renews its lease.
#[derive(Debug)]
struct NatsAckHandle {
    api: Arc<Api>,
    reply: Subject,
}

#[async_trait]
impl AckHandle for NatsAckHandle {
    async fn ack(&self) -> Result<(), TransportError> {
        self.api.send(self.reply.clone(), Bytes::from_static(ACK)).await
    }

    async fn renew(&self) -> Result<(), TransportError> {
        // If there is no connection, async-nats would store the message and report it as sent. It
        // could arrive after the end of the lease, so the renewal must fail now.
        if !self.api.connection.state().connected {
            return Err(self.api.unanswered_error("renew", Duration::ZERO));
        }
        self.api.send(self.reply.clone(), Bytes::from_static(PROGRESS)).await
    }
}

/// Reads a delivery of `queue`; `None` if the message is not a delivery. Messages up to the
/// sequence `settled_until` may have been settled on an earlier connection; `None` means that any
/// message may have been. With `check_late`, a schedule message that arrives late is also marked as
/// suspect, because the broker may have moved it twice.
pub(crate) fn read_delivery(
    api: &Arc<Api>,
    queue: &QueueName,
    message: Message,
    settled_until: Option<u64>,
    check_late: bool,
) -> Option<Delivery> {
    let scheduled =
        message.headers.as_ref().is_some_and(|h| h.get(header::NATS_SCHEDULER).is_some());
    let reply = message.reply?;
    let ack = AckSubject::parse(&reply)?;
    let key = job_key(api, queue, &message.subject, ack.seq);
    let stored = Stored {
        key,
        place: Place::Queue,
        seq: ack.seq,
        stored_at: Timestamp::from_millis(ack.stored_ns / 1_000_000),
        due_at: None,
        delivered: true,
        message: incoming(message.headers.as_ref(), message.payload),
    };
    let maybe_settled = settled_until.is_none_or(|until| ack.seq <= until);
    let maybe_repeated = check_late && scheduled && is_late(&stored);
    Some(Delivery {
        suspect: ack.delivered > 1
            || maybe_settled
            || maybe_repeated
            || stored.message.is_suspect(),
        stored,
        delivered: ack.delivered,
        handle: Arc::new(NatsAckHandle { api: Arc::clone(api), reply }),
    })
}

/// A message that is in the queue and that the broker will not deliver. The broker removes it when
/// it is acked all the same: it looks only at the sequence in the reply subject (measured).
pub(crate) fn by_hand(api: &Arc<Api>, stored: Stored) -> Delivery {
    let stream = api.subjects.queue_stream(&stored.key.queue);
    let reply = AckSubject {
        delivered: 1,
        seq: stored.seq,
        consumer_seq: stored.seq,
        stored_ns: stored.stored_at.as_millis() * 1_000_000,
    };
    let reply = reply.to_subject(&stream).into();
    let handle = Arc::new(NatsAckHandle { api: Arc::clone(api), reply });
    Delivery { suspect: true, stored, delivered: 1, handle }
}

/// Whether the broker moved the message to the queue later than its timer explains.
fn is_late(stored: &Stored) -> bool {
    let due = stored.envelope().ok().and_then(|envelope| envelope.due_at);
    due.is_some_and(|due| stored.stored_at.since(due) > LATE)
}

/// The job that a subject names. A message on a subject without a valid job id gets a generated id,
/// so that the worker can store it as a dead letter like any other unreadable message.
fn job_key(api: &Api, queue: &QueueName, subject: &str, seq: u64) -> JobKey {
    let named = api.subjects.parse(subject).and_then(|parsed| parsed.id);
    let generated = || JobId::new(format!("bad-{seq}")).unwrap_or_else(|_| JobId::random());
    JobKey::new(queue.clone(), named.unwrap_or_else(generated))
}
