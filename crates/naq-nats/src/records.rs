//! The record subject of a job: written by compare and set, stored for the job's record TTL.

use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use naq_core::transport::{
    AWAITED_RECORD_TTL, Awaiting, Claim, Fact, JobKey, Mark, Place, Stored, TransportError, Written,
};
use naq_core::wire::{Nonce, WireMessage, headers};

use crate::api::{Api, RequestRetry};
use crate::error::ApiError;
use crate::error_codes::WRONG_LAST_SEQUENCE;
use crate::message::{EXPECTED_LAST, MSG_ID, TTL, outgoing};

/// A hundred years. The broker counts nanoseconds in 63 bits and refuses a longer TTL. Then the job
/// could never be settled.
const MAX_TTL_SECS: u64 = 100 * 365 * 86_400;

/// How often to read a record that the broker reports as a duplicate, before it counts as expired.
const DUPLICATE_READS: usize = 3;

/// The result of a write to a record subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PutOutcome {
    Stored,
    /// Another message is stored there. It may be from an earlier request of this call.
    Conflict,
    /// The broker has stored this id before: by an earlier request, or by another worker that ends
    /// the job in the same way.
    Duplicate,
}

/// A TTL as the broker reads it: whole seconds, at least one.
pub(crate) fn ttl(ttl: Duration) -> String {
    let seconds = ttl.as_secs().saturating_add(u64::from(ttl.subsec_nanos() > 0));
    format!("{}s", seconds.clamp(1, MAX_TTL_SECS))
}

/// Adds to the error of a full store whether other jobs wait for the record. The broker compares the
/// expected sequence before it looks for room, so the last message on the subject is known by then.
fn tell_awaited(error: TransportError, written: Written) -> TransportError {
    match error {
        TransportError::StoreFull { what, reason, .. } => {
            TransportError::StoreFull { what, reason, awaited: Some(written == Written::Awaited) }
        }
        other => other,
    }
}

impl Api {
    /// Stores a final record if it is the first one of its life. Usually the subject is empty, so
    /// the first request expects that.
    pub(crate) async fn claim(
        &self,
        fact: &Fact,
        record_ttl: Duration,
    ) -> Result<Written, TransportError> {
        let subject = self.subjects.job(Place::Record, &fact.key);
        let mut retry = self.request_retry("settle to", &subject);
        let mut claim = Claim::Free(0);
        loop {
            let (over, record_ttl, written) = match claim {
                Claim::Decided(written) => return Ok(written),
                Claim::Free(over) => (over, record_ttl, Written::Stored),
                Claim::Awaited(over) => {
                    (over, record_ttl.max(AWAITED_RECORD_TTL), Written::Awaited)
                }
            };
            let out = || {
                let mut out = outgoing(&fact.message);
                out.insert(MSG_ID, fact.dedup.as_str());
                out.insert(TTL, ttl(record_ttl));
                if written == Written::Awaited {
                    out.insert(headers::AWAITED, "1");
                }
                out
            };
            let body = fact.message.body.clone();
            let put = self.put(&mut retry, &fact.key, &subject, out, body, over).await;
            match put.map_err(|error| tell_awaited(error, written))? {
                PutOutcome::Stored => return Ok(written),
                PutOutcome::Duplicate => {
                    return self.resolve_duplicate_record(&mut retry, fact, &subject).await;
                }
                PutOutcome::Conflict => {}
            }
            let last = self.last_except(&mut retry, &fact.key, &subject, over).await?;
            claim = Claim::of(fact, last.as_ref());
        }
    }

    pub(crate) async fn await_end(
        &self,
        key: &JobKey,
        life: &Nonce,
    ) -> Result<Awaiting, TransportError> {
        let subject = self.subjects.job(Place::Record, key);
        let mut retry = self.request_retry("wait for", &subject);
        let mut mark = Mark::Over(0);
        loop {
            let over = match mark {
                Mark::Known(awaiting) => return Ok(awaiting),
                Mark::Over(over) => over,
            };
            let out = || outgoing(&WireMessage::marker());
            if self.put(&mut retry, key, &subject, out, Bytes::new(), over).await?
                == PutOutcome::Stored
            {
                return Ok(Awaiting::Marked);
            }
            mark = Mark::of(life, self.last_except(&mut retry, key, &subject, over).await?);
        }
    }

    /// The result for a record that the broker reports as a duplicate. The message on the subject
    /// shows which life it belongs to, and whether other jobs wait for it.
    async fn resolve_duplicate_record(
        &self,
        retry: &mut RequestRetry<'_>,
        fact: &Fact,
        subject: &str,
    ) -> Result<Written, TransportError> {
        for _ in 0..DUPLICATE_READS {
            let last = self.last_on_subject(&fact.key, subject).await?;
            if let Claim::Decided(written) = Claim::of(fact, last.as_ref()) {
                return Ok(written);
            }
            // A replica may be behind.
            retry
                .wait_to_retry(self.unanswered_error(subject, self.config.answer_timeout).into())
                .await?;
        }
        // The record has expired, or a record of another life has replaced it.
        Ok(Written::Stored)
    }

    /// Stores a message if the last one on the subject has the sequence `over`, 0 for none.
    async fn put(
        &self,
        retry: &mut RequestRetry<'_>,
        key: &JobKey,
        subject: &str,
        headers: impl Fn() -> HeaderMap,
        body: Bytes,
        over: u64,
    ) -> Result<PutOutcome, TransportError> {
        loop {
            let mut headers = headers();
            headers.insert(EXPECTED_LAST, over.to_string());
            match self.store(subject, headers, body.clone()).await {
                Ok(ack) if ack.duplicate => return Ok(PutOutcome::Duplicate),
                Ok(_) => return Ok(PutOutcome::Stored),
                Err(error) if error.is(WRONG_LAST_SEQUENCE) => return Ok(PutOutcome::Conflict),
                Err(ApiError::NoResponders) => {
                    self.ensure_stream_or_wait(
                        retry,
                        &self.configs().config_of(Place::Record, &key.queue),
                    )
                    .await?;
                }
                // The caller decides how long to try. A worker may do without the record.
                Err(error) if error.is_store_full() => {
                    return Err(error.into_transport(&format!("settle to {subject}"), self.url()));
                }
                Err(error) => retry.wait_to_retry(error).await?,
            }
        }
    }

    /// The newest message on a record subject, markers included. If its sequence is still `over`,
    /// the message that the caller knows already, waits before it returns. Fails when the time for
    /// retries is over.
    async fn last_except(
        &self,
        retry: &mut RequestRetry<'_>,
        key: &JobKey,
        subject: &str,
        over: u64,
    ) -> Result<Option<Stored>, TransportError> {
        let last = self.last_on_subject(key, subject).await?;
        if last.as_ref().map_or(0, |it| it.seq) == over {
            // A replica is behind, or the record has just expired.
            let behind = self.unanswered_error(subject, self.config.answer_timeout);
            retry.wait_to_retry(behind.into()).await?;
        }
        Ok(last)
    }

    async fn last_on_subject(
        &self,
        key: &JobKey,
        subject: &str,
    ) -> Result<Option<Stored>, TransportError> {
        let stream = self.subjects.stream(Place::Record, &key.queue);
        let mut found = self.last_of(&stream, vec![subject.to_owned()]).await?;
        Ok(found.pop().and_then(|message| self.to_stored_or_marker(message)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_is_rounded_up_to_whole_seconds() {
        for (millis, text) in [(1, "1s"), (1000, "1s"), (1001, "2s"), (3_600_000, "3600s")] {
            assert_eq!(ttl(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_ttl_that_the_broker_cannot_count_becomes_a_hundred_years() {
        for long in [Duration::from_millis(u64::MAX), Duration::MAX] {
            assert_eq!(ttl(long), "3153600000s");
        }
    }
}
