//! The first half of settling: stores the fact. A repeated request does not store it twice.

use async_nats::HeaderMap;
use async_nats::jetstream::stream::Config;
use async_trait::async_trait;
use naq_core::transport::{
    Awaiting, Fact, FactKind, JobKey, Place, Settler, TransportError, Written,
};
use naq_core::wire::Nonce;

use crate::ack_handle::job_key;
use crate::api::{Api, RequestRetry};
use crate::error::ApiError;
use crate::error_codes::WRONG_LAST_SEQUENCE;
use crate::message::{EXPECTED_LAST, EXPECTED_LAST_ON, MSG_ID, outgoing};
use crate::schedule::put_not_before;
use crate::transport::NatsTransport;

impl Api {
    fn fact_headers(&self, fact: &Fact, place: Place, guarded: bool) -> HeaderMap {
        let mut headers = outgoing(&fact.message);
        headers.insert(MSG_ID, fact.dedup.as_str());
        match (fact.kind, place) {
            (FactKind::Retry { due_at }, Place::Queue) => put_not_before(&mut headers, due_at),
            (FactKind::Retry { due_at }, _) => self.put_due(&mut headers, &fact.key, due_at),
            _ => {}
        }
        if guarded {
            headers.insert(EXPECTED_LAST, fact.settles.to_string());
            headers.insert(EXPECTED_LAST_ON, self.subjects.job(Place::Queue, &fact.key));
        }
        headers
    }

    fn place_of(&self, fact: &Fact) -> Place {
        match fact.kind {
            FactKind::Record { .. } => Place::Record,
            // The broker's timer would move it later than that.
            FactKind::Retry { due_at }
                if self.is_due_within_a_tick(&fact.key.queue, due_at)
                    && !self.unanswered_waits.contains(&fact.dedup) =>
            {
                Place::Queue
            }
            FactKind::Retry { .. } => Place::Schedule,
            FactKind::Dead => Place::Dead,
            FactKind::GiveBack => Place::Queue,
        }
    }

    async fn write(&self, fact: &Fact) -> Result<Written, TransportError> {
        let place = self.place_of(fact);
        let written = self.write_at(place, fact).await;
        if place == Place::Schedule {
            self.unanswered_waits.note(&fact.dedup, written.is_ok());
        }
        written
    }

    async fn write_at(&self, place: Place, fact: &Fact) -> Result<Written, TransportError> {
        let subject = self.subjects.job(place, &fact.key);
        let mut guarded = is_guarded(fact);
        let mut retry = self.request_retry("settle to", &subject);
        loop {
            let headers = self.fact_headers(fact, place, guarded);
            match self.store(&subject, headers, fact.message.body.clone()).await {
                Ok(_) => return Ok(Written::Stored),
                Err(error) if guarded && error.is(WRONG_LAST_SEQUENCE) => {
                    match self.resolve_conflict(fact).await? {
                        Some(written) => return Ok(written),
                        None => guarded = false,
                    }
                }
                Err(ApiError::NoResponders) => {
                    self.ensure_stream_or_wait(
                        &mut retry,
                        &self.configs().config_of(place, &fact.key.queue),
                    )
                    .await?;
                }
                Err(error) => retry.wait_to_retry(error).await?,
            }
        }
    }

    /// No subscriber took the message. Creates the stream if it is missing, or waits a little.
    pub(crate) async fn ensure_stream_or_wait(
        &self,
        retry: &mut RequestRetry<'_>,
        wanted: &Config,
    ) -> Result<(), TransportError> {
        let created = match self.ensure_stream(wanted).await {
            Err(error) if error.is_transient() => false,
            done => done?,
        };
        if created { Ok(()) } else { retry.wait_to_retry(ApiError::NoResponders).await }
    }

    /// The broker's condition failed. There are three cases. This fact is stored already and only
    /// its reply was lost: `Stored`. The settled message is gone, or was given back by another
    /// worker, so this worker must not settle it: `Fenced`. A message of another life is on the
    /// subject, which does not affect this one: `None`.
    async fn resolve_conflict(&self, fact: &Fact) -> Result<Option<Written>, TransportError> {
        if let Some(step) = fact.message.step() {
            let mut newer = self.last_at(&fact.key, &[Place::Queue, Place::Schedule]).await?;
            newer.retain(|it| it.seq > fact.settles && it.step().nonce == step.nonce);
            if newer.iter().any(|it| it.step() == step) {
                return Ok(Some(Written::Stored));
            }
            if newer.iter().any(|it| it.place == Place::Queue) {
                return Ok(Some(Written::Fenced));
            }
        }
        let stream = self.subjects.queue_stream(&fact.key.queue);
        let found = self.message_at(&stream, fact.settles).await?;
        // Another job may have the sequence after the broker lost its newest messages.
        let exists = found.is_some_and(|message| {
            job_key(self, &fact.key.queue, &message.subject, message.seq) == fact.key
        });
        Ok((!exists).then_some(Written::Fenced))
    }
}

/// Whether the broker must check that the settled message is still there. Only facts that bring the
/// job back need this: from a worker without the lease they would run the job twice.
fn is_guarded(fact: &Fact) -> bool {
    matches!(fact.kind, FactKind::Retry { .. } | FactKind::GiveBack)
}

#[async_trait]
impl Settler for NatsTransport {
    async fn write(&self, fact: &Fact) -> Result<Written, TransportError> {
        match fact.kind {
            FactKind::Record { ttl, .. } => self.api.claim(fact, ttl).await,
            _ => self.api.write(fact).await,
        }
    }

    async fn await_end(&self, key: &JobKey, life: &Nonce) -> Result<Awaiting, TransportError> {
        self.api.await_end(key, life).await
    }

    fn max_payload(&self) -> usize {
        self.api.client().max_payload()
    }
}
