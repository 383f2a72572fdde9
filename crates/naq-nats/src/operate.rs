//! What operators do: remove and release messages, pause and purge queues, send signals.

use std::num::NonZeroU64;

use std::time::Duration;

use async_nats::jetstream::consumer;
use async_nats::{HeaderMap, Subscriber};
use async_trait::async_trait;
use futures_util::StreamExt;
use naq_core::flow::DEBOUNCE_MARGIN;
use naq_core::transport::{
    JobKey, Operator, Place, QueueBound, Signal, Signals, StoreProbe, Stored, TransportError,
};
use naq_core::wire::headers;
use naq_core::{QueueName, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::api::Api;
use crate::direct::StreamMessage;
use crate::early::AHEAD;
use crate::error::ApiError;
use crate::error_codes::{STREAM_NOT_FOUND, WRONG_LAST_SEQUENCE};
use crate::message::{EXPECTED_LAST, EXPECTED_LAST_ON, outgoing};
use crate::stream_config::{DEFAULT_LEASE, max_ack_pending};
use crate::stream_info::CreateConsumer;
use crate::subjects::{CONSUMER, api};
use crate::transport::NatsTransport;

/// A job that is due within this time is not released. The broker's timer reads the schedules that it has to
/// move, [`AHEAD`] of their time, and stores their messages a moment later, without a second check. A
/// release in between would store a second message, and the job would start twice.
pub(crate) const NEARLY_DUE: Duration = AHEAD.saturating_add(Duration::from_secs(1));

// A debounced job is replaced as long as its enqueue says that it may be.
const _: () = assert!(NEARLY_DUE.as_millis() < DEBOUNCE_MARGIN.as_millis());

/// How many messages of one subject are read per request. There is rarely an older one.
const OLDER_AT_ONCE: usize = 10;

#[derive(Debug, Serialize)]
struct DeleteRequest {
    seq: u64,
    no_erase: bool,
}

#[derive(Debug, Deserialize)]
struct PurgeReply {
    purged: u64,
}

#[derive(Debug, Default, Serialize)]
struct PauseRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    pause_until: Option<Timestamp>,
}

/// Until when a consumer is paused, by the broker's clock.
pub(crate) fn pause_end(config: &consumer::Config) -> Option<Timestamp> {
    let until = config.pause_until?;
    let millis = until.unix_timestamp_nanos() / 1_000_000;
    Some(Timestamp::from_millis(u64::try_from(millis).unwrap_or_default()))
}

impl Api {
    /// Removes all messages of a stream. This is safe, because afterwards the stream has no running
    /// job that its consumer could forget. A purge of one subject is not safe: see
    /// [`remove`](Self::remove).
    pub(crate) async fn purge(&self, stream: &str) -> Result<u64, TransportError> {
        let purged: Result<PurgeReply, ApiError> =
            self.call_with_retry(&api::stream_purge(stream), &()).await;
        match purged {
            Ok(answer) => Ok(answer.purged),
            Err(error) if error.is(STREAM_NOT_FOUND) => Ok(0),
            Err(error) => Err(error.into_transport("remove", self.url())),
        }
    }

    /// Removes a message by its sequence, after the older ones on its subject. If this process dies
    /// half-way, the newest message is still there and shows that the older ones are superseded.
    ///
    /// A purge of the subject would be one request. But the broker moves the ack floor of the
    /// queue's consumer at such a purge, and forgets other running jobs at its next restart
    /// (ADR 0021).
    async fn remove(&self, stored: &Stored) -> Result<bool, TransportError> {
        let stream = self.subjects.stream(stored.place, &stored.key.queue);
        let subject = self.subjects.job(stored.place, &stored.key);
        let is_it = |it: &StreamMessage| it.seq == stored.seq && it.stored_at == stored.stored_at;
        let mut removed = false;
        let mut seen = false;
        if stored.place != Place::Dead {
            loop {
                let batch = self.next_of(&stream, &subject, 1, OLDER_AT_ONCE).await?;
                seen |= batch.messages.iter().any(is_it);
                let older = batch.messages.iter().map(|older| older.seq);
                let older: Vec<u64> = older.filter(|seq| *seq < stored.seq).collect();
                if older.is_empty() {
                    break;
                }
                for seq in older {
                    removed |= self.delete(&stream, seq).await?;
                }
            }
        }
        // After the broker lost its newest messages, another job may have the sequence. A replica that is
        // behind may not show the message at all.
        if !seen {
            let found = self.message_at(&stream, stored.seq).await?;
            if found.is_some_and(|it| it.subject != subject || !is_it(&it)) {
                return Ok(removed);
            }
        }
        Ok(self.delete(&stream, stored.seq).await? | removed)
    }

    /// Removes exactly one message. It is not overwritten on disk, because that takes the broker
    /// long.
    pub(crate) async fn delete(&self, stream: &str, seq: u64) -> Result<bool, TransportError> {
        let request = DeleteRequest { seq, no_erase: true };
        let deleted: Result<serde_json::Value, ApiError> =
            self.call_with_retry(&api::message_delete(stream), &request).await;
        match deleted {
            Ok(_) => {
                self.unreadable.forget(stream, seq);
                Ok(true)
            }
            Err(error) if error.is_gone() || error.is(STREAM_NOT_FOUND) => Ok(false),
            Err(error) => Err(error.into_transport("remove", self.url())),
        }
    }

    async fn release(&self, stored: &Stored) -> Result<bool, TransportError> {
        let schedule = self.subjects.job(Place::Schedule, &stored.key);
        let target = self.subjects.job(Place::Queue, &stored.key);
        let message = stored.message.clone().without(headers::NOT_BEFORE);
        let mut headers: HeaderMap = outgoing(&message);
        headers.insert(EXPECTED_LAST, stored.seq.to_string());
        headers.insert(EXPECTED_LAST_ON, schedule.as_str());
        headers.insert(async_nats::header::NATS_SCHEDULER, schedule.as_str());
        headers.insert(async_nats::header::NATS_SCHEDULE_NEXT, "purge");
        let mut retry = self.request_retry("release to", &target);
        loop {
            let soon = self.now() + NEARLY_DUE;
            if stored.due_at.is_some_and(|due_at| due_at <= soon) {
                return Ok(retry.unclear > 0);
            }
            let body = stored.message.body.clone();
            match self.store(&target, headers.clone(), body).await {
                Ok(_) => return Ok(true),
                // An earlier request without an answer may have released the job.
                Err(error) if error.is(WRONG_LAST_SEQUENCE) => return Ok(retry.unclear > 0),
                Err(error) => retry.wait_to_retry(error).await?,
            }
        }
    }

    /// Replaces the job's waiting message by one with another due time. The broker stores it only
    /// while the old one is the last message there.
    async fn reschedule(&self, stored: &Stored, due_at: Timestamp) -> Result<bool, TransportError> {
        if due_at <= self.now() {
            return self.release(stored).await;
        }
        self.replace(stored, &stored.due_again(due_at), due_at).await
    }

    async fn set_pause(
        &self,
        queue: &QueueName,
        pause_until: Option<Timestamp>,
    ) -> Result<(), TransportError> {
        let stream = self.subjects.queue_stream(queue);
        let fail = |error: ApiError| error.into_transport("pause the queue", self.url());
        if self.stream_info(&stream).await.map_err(fail)?.is_none() {
            return Err(TransportError::NoQueue(queue.to_string()));
        }
        let request = PauseRequest { pause_until };
        let until = Instant::now() + self.config.request_timeout;
        loop {
            // A queue may be paused before a worker opens it.
            self.ensure_consumer(queue, DEFAULT_LEASE).await?;
            let answer: Result<serde_json::Value, ApiError> =
                self.call_with_retry(&api::consumer_pause(&stream), &request).await;
            match answer {
                Err(error) if error.lacks_consumer() && Instant::now() < until => {}
                answer => return answer.map(drop).map_err(fail),
            }
        }
    }
}

impl Api {
    async fn set_limit(
        &self,
        queue: &QueueName,
        limit: Option<NonZeroU64>,
    ) -> Result<(), TransportError> {
        let stream = self.subjects.queue_stream(queue);
        let fail = |error: ApiError| error.into_transport("limit the queue", self.url());
        if self.stream_info(&stream).await.map_err(fail)?.is_none() {
            return Err(TransportError::NoQueue(queue.to_string()));
        }
        let until = Instant::now() + self.config.request_timeout;
        loop {
            // A queue may get a limit before a worker opens it.
            self.ensure_consumer(queue, DEFAULT_LEASE).await?;
            let answer = self.limit_consumer(queue, &stream, limit).await;
            match answer {
                Err(error) if error.lacks_consumer() && Instant::now() < until => {}
                answer => return answer.map_err(fail),
            }
        }
    }

    async fn limit_consumer(
        &self,
        queue: &QueueName,
        stream: &str,
        limit: Option<NonZeroU64>,
    ) -> Result<(), ApiError> {
        let Some(info) = self.consumer_info(queue).await? else {
            return Err(TransportError::NoQueue(queue.to_string()).into());
        };
        let config = consumer::Config { max_ack_pending: max_ack_pending(limit), ..info.config };
        let request = CreateConsumer { stream_name: stream, config: &config, action: "update" };
        let subject = api::consumer_create(stream, CONSUMER, &config.filter_subject);
        self.call_with_retry::<_, serde_json::Value>(&subject, &request).await.map(drop)
    }
}

/// The signals on the control subject. Skips messages that are not signals.
#[derive(Debug)]
struct NatsSignals(Subscriber);

#[async_trait]
impl Signals for NatsSignals {
    async fn next(&mut self) -> Option<Signal> {
        loop {
            let message = self.0.next().await?;
            match serde_json::from_slice(&message.payload) {
                Ok(signal) => return Some(signal),
                Err(error) => tracing::warn!(%error, "ignored a message that is not a signal"),
            }
        }
    }
}

#[async_trait]
impl Operator for NatsTransport {
    async fn create_queue(&self, queue: &QueueName) -> Result<(), TransportError> {
        self.api.create_all_streams(queue).await
    }

    async fn remove(&self, stored: &Stored) -> Result<bool, TransportError> {
        self.api.remove(stored).await
    }

    async fn release(&self, stored: &Stored) -> Result<bool, TransportError> {
        self.api.release(stored).await
    }

    async fn reschedule(&self, stored: &Stored, due_at: Timestamp) -> Result<bool, TransportError> {
        self.api.reschedule(stored, due_at).await
    }

    async fn pause(&self, queue: &QueueName, until: Timestamp) -> Result<(), TransportError> {
        self.api.set_pause(queue, Some(until)).await
    }

    async fn resume(&self, queue: &QueueName) -> Result<(), TransportError> {
        self.api.set_pause(queue, None).await
    }

    async fn set_limit(
        &self,
        queue: &QueueName,
        limit: Option<NonZeroU64>,
    ) -> Result<(), TransportError> {
        self.api.set_limit(queue, limit).await
    }

    async fn set_bound(&self, queue: &QueueName, bound: QueueBound) -> Result<(), TransportError> {
        self.api.set_bound(queue, bound).await
    }

    async fn probe_stores(
        &self,
        queue: Option<&QueueName>,
    ) -> Result<Vec<StoreProbe>, TransportError> {
        self.api.probe_stores(queue).await
    }

    async fn purge(&self, queue: &QueueName) -> Result<u64, TransportError> {
        self.purge_queue(queue).await
    }

    async fn note_purge(&self, key: &JobKey) -> Result<(), TransportError> {
        self.note_job_purge(key).await
    }

    async fn signal(&self, signal: &Signal) -> Result<(), TransportError> {
        let what = "send a signal".to_owned();
        let body = serde_json::to_vec(signal)
            .map_err(|e| TransportError::Rejected { what, reason: e.to_string() })?;
        self.api.send(self.api.subjects.control().into(), body.into()).await
    }

    async fn signals(&self) -> Result<Box<dyn Signals>, TransportError> {
        let subject = self.api.subjects.control();
        Ok(Box::new(NatsSignals(self.api.subscribe(&subject).await?)))
    }
}
