//! A message that a worker was handed, and how to keep and drop it.

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

/// Twice the broker's tick.
const LATE: Duration = Duration::from_millis(500);
const ACK: &[u8] = b"+ACK";
const PROGRESS: &[u8] = b"+WPI";

/// The reply subject of a delivery: whoever writes there settles it.
#[derive(Debug)]
struct Handle {
    api: Arc<Api>,
    reply: Subject,
}

#[async_trait]
impl AckHandle for Handle {
    async fn ack(&self) -> Result<(), TransportError> {
        self.api.send(self.reply.clone(), Bytes::from_static(ACK)).await
    }

    async fn renew(&self) -> Result<(), TransportError> {
        // The client would keep it and call it sent; but a lease is not renewed by what may arrive
        // after its end.
        if !self.api.link.now().connected {
            return Err(self.api.unanswered("renew", Duration::ZERO));
        }
        self.api.send(self.reply.clone(), Bytes::from_static(PROGRESS)).await
    }
}

/// Reads a delivery of `queue`; none when it is no delivery. `settled_until` is the sequence up to
/// which a message may have been settled on an earlier connection; all of them while not known. While
/// `wary`, a schedule that fired late may have fired before.
pub(crate) fn read(
    api: &Arc<Api>,
    queue: &QueueName,
    message: Message,
    settled_until: Option<u64>,
    wary: bool,
) -> Option<Delivery> {
    let fired = message.headers.as_ref().is_some_and(|h| h.get(header::NATS_SCHEDULER).is_some());
    let reply = message.reply?;
    let ack = AckSubject::parse(&reply)?;
    let key = key(api, queue, &message.subject, ack.seq);
    let stored = Stored {
        key,
        place: Place::Queue,
        seq: ack.seq,
        stored_at: Timestamp::from_millis(ack.stored_ns / 1_000_000),
        due_at: None,
        delivered: true,
        message: incoming(message.headers.as_ref(), message.payload),
    };
    let old = settled_until.is_none_or(|until| ack.seq <= until);
    let refired = wary && fired && is_late(&stored);
    Some(Delivery {
        suspect: ack.delivered > 1 || old || refired,
        stored,
        delivered: ack.delivered,
        handle: Arc::new(Handle { api: Arc::clone(api), reply }),
    })
}

/// Whether a schedule fired later than the broker's tick explains.
fn is_late(stored: &Stored) -> bool {
    let due = stored.envelope().ok().and_then(|envelope| envelope.due_at);
    due.is_some_and(|due| stored.stored_at.since(due) > LATE)
}

/// The job that a subject names. Somebody may have written to a subject that is no job's: that
/// message gets a name of its own, so that it can be put away like any other that cannot be run.
fn key(api: &Api, queue: &QueueName, subject: &str, seq: u64) -> JobKey {
    let named = api.subjects.parse(subject).and_then(|parsed| parsed.id);
    let made_up = || JobId::new(format!("bad-{seq}")).unwrap_or_else(|_| JobId::random());
    JobKey { queue: queue.clone(), id: named.unwrap_or_else(made_up) }
}
