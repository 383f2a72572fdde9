//! Whether a queue takes new jobs: its stream must not remove jobs by itself, and the queue must have
//! room within its bound. A producer reads the stream once before its first job, and after that at most
//! once a second. So a job costs no request.

use std::sync::Arc;

use async_nats::jetstream::stream::Config;
use naq_core::QueueName;
use naq_core::transport::{QueueBound, QueueSize, Receipt, Submission, TransportError};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::api::Api;
use crate::error::ApiError;
use crate::error_codes::STREAM_NOT_FOUND;
use crate::evictions::{evictions, mend_command};
use crate::queue_bound::{bound_of, with_bound};
use crate::room::{Admitted, Refusal, RoomAnswer, Turn};
use crate::schema;
use crate::stream_config::check_echo;
use crate::stream_info::StreamInfo;
use crate::subjects::api;

impl Api {
    /// Refuses a job for which its queue has no room, or whose stream would not keep it. The answer, if
    /// there is one, must live until the job is stored. `args` are the bytes that the job has in a blob.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        job: &Submission,
        args: usize,
    ) -> Result<Option<Admitted>, TransportError> {
        let queue = &job.key.queue;
        match self.rooms.turn(queue, Instant::now()) {
            Turn::First => self.ask_for_room(queue).await,
            Turn::InBackground => {
                let (api, queue) = (Arc::clone(self), queue.clone());
                tokio::spawn(async move { api.ask_for_room(&queue).await });
            }
            Turn::None => {}
        }
        let size = QueueSize { jobs: 1, bytes: (job.message.size() + args) as u64 };
        let mut taken = self.rooms.take(queue, size);
        if taken.is_err() && self.rooms.may_ask_again(queue, Instant::now()) {
            self.ask_for_room(queue).await;
            taken = self.rooms.take(queue, size);
        }
        match taken {
            Ok(admitted) => Ok(admitted),
            // The job may be stored already, by an enqueue whose answer was lost. Then the answer is
            // that it is a duplicate.
            Err(_) if job.unique && self.is_stored(job).await => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    async fn is_stored(&self, job: &Submission) -> bool {
        let known = self.receipt_of_known(job, 0).await;
        known.is_ok_and(|receipt| receipt == Some(Receipt::Duplicate))
    }

    /// Reads the queue's stream. After an error the last answer stays in force: a broker that does not
    /// answer will not store the job either.
    async fn ask_for_room(self: &Arc<Self>, queue: &QueueName) {
        let wanted = self.configs().queue_config(queue);
        let sent = self.rooms.sent(queue);
        let answer = self.call::<_, StreamInfo>(&api::stream_info(&wanted.name), &()).await;
        let now = Instant::now();
        match answer {
            Ok(info) => {
                if !info.is_clustered() {
                    let (api, queue) = (Arc::clone(self), queue.clone());
                    tokio::spawn(async move { api.ensure_uptime(&queue).await });
                }
                let found = &info.config;
                self.evictions.note(&wanted, found);
                let bound = bound_of(&found.metadata);
                let Ok(args) = self.bytes_of_args(queue, bound).await else {
                    return self.rooms.not_answered(queue, now, false);
                };
                let bytes = info.state.bytes.saturating_add(args);
                let answer = RoomAnswer {
                    bound,
                    size: QueueSize { jobs: info.state.messages, bytes },
                    refusal: refusal_of(&wanted, found),
                };
                self.rooms.answered(queue, now, sent, answer);
            }
            Err(error) if error.is(STREAM_NOT_FOUND) => self.rooms.is_missing(queue, now),
            Err(error) => self.rooms.not_answered(queue, now, error.is_permission()),
        }
    }

    /// The bytes of large arguments that this bound counts.
    pub(crate) async fn bytes_of_args(
        &self,
        queue: &QueueName,
        bound: QueueBound,
    ) -> Result<u64, ApiError> {
        match bound.max_bytes {
            Some(_) => self.kept_bytes(queue).await,
            None => Ok(0),
        }
    }

    pub(crate) async fn set_bound(
        self: &Arc<Self>,
        queue: &QueueName,
        bound: QueueBound,
    ) -> Result<(), TransportError> {
        #[derive(Deserialize)]
        struct StreamConfig {
            config: Value,
        }
        let stream = self.subjects.queue_stream(queue);
        let fail = |error: ApiError| {
            if error.is(STREAM_NOT_FOUND) {
                return TransportError::NoQueue(queue.to_string());
            }
            error.into_transport("bound the queue", self.url())
        };
        let found = self.call_with_retry(&api::stream_info(&stream), &()).await;
        let StreamConfig { config } = found.map_err(fail)?;
        schema::refuse_newer_raw(&self.configs().queue_config(queue), &config)?;
        let config = with_bound(config, bound);
        let updated = self.call_with_retry(&api::stream_update(&stream), &config).await;
        let info: StreamInfo = updated.map_err(fail)?;
        if bound_of(&info.config.metadata) == bound {
            self.ask_for_room(queue).await;
            return Ok(());
        }
        Err(TransportError::Rejected {
            what: format!("bound the queue {queue} to {bound}"),
            reason: "the broker did not store it".into(),
        })
    }

    /// Logs the limits by which the broker removes jobs of this queue. Reads the stream once.
    pub(crate) async fn warn_of_evictions(&self, queue: &QueueName) {
        let wanted = self.configs().queue_config(queue);
        let info = self.call::<_, StreamInfo>(&api::stream_info(&wanted.name), &()).await;
        // A user that may not read the stream works without this.
        if let Ok(info) = info {
            self.evictions.note(&wanted, &info.config);
        }
    }
}

fn refusal_of(wanted: &Config, found: &Config) -> Option<Refusal> {
    let evicts = evictions(wanted, found);
    if !evicts.is_empty() {
        let mend = mend_command(wanted, found);
        return Some(Refusal::Evicts { stream: found.name.clone(), evicts, mend });
    }
    match check_echo(wanted, found) {
        Err(TransportError::Unsupported { found, needs }) => Some(Refusal::Drift { found, needs }),
        Err(TransportError::NewerSchema { stream, found, known }) => {
            Some(Refusal::NewerSchema { stream, found, known })
        }
        _ => None,
    }
}
