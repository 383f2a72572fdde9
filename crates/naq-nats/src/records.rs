//! The record subject of a job: written by compare-and-set, kept as long as the job asked for.

use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use naq_core::transport::{
    AWAITED_RECORD_TTL, Awaiting, Claim, Fact, JobKey, Mark, Place, Stored, TransportError, Written,
};
use naq_core::wire::{Nonce, WireMessage, headers};

use crate::api::{Api, Tries};
use crate::error::{ApiError, WRONG_LAST_SEQUENCE};
use crate::message::{EXPECTED_LAST, MSG_ID, TTL, outgoing};

/// A hundred years. The broker counts nanoseconds in 63 bits, and refuses what does not fit: the
/// job could never be settled.
const LONGEST_SECS: u64 = 100 * 365 * 86_400;

/// A lifetime as the broker reads it: whole seconds, one at least.
pub(crate) fn ttl(ttl: Duration) -> String {
    let seconds = ttl.as_secs().saturating_add(u64::from(ttl.subsec_nanos() > 0));
    format!("{}s", seconds.clamp(1, LONGEST_SECS))
}

impl Api {
    /// Writes a final record if it is the first of its life. Most often nothing stands there, so
    /// that is what the first try expects.
    pub(crate) async fn claim(
        &self,
        fact: &Fact,
        kept: Duration,
    ) -> Result<Written, TransportError> {
        let subject = self.subjects.job(Place::Record, &fact.key);
        let mut tries = self.tries("settle to", &subject);
        let mut claim = Claim::Free(0);
        loop {
            let (over, kept, written) = match claim {
                Claim::Decided(written) => return Ok(written),
                Claim::Free(over) => (over, kept, Written::Stored),
                Claim::Awaited(over) => (over, kept.max(AWAITED_RECORD_TTL), Written::Awaited),
            };
            let out = || {
                let mut out = outgoing(&fact.message);
                out.insert(MSG_ID, fact.dedup.as_str());
                out.insert(TTL, ttl(kept));
                if written == Written::Awaited {
                    out.insert(headers::AWAITED, "1");
                }
                out
            };
            let body = fact.message.body.clone();
            if self.put(&mut tries, &fact.key, &subject, out, body, over).await? {
                return Ok(written);
            }
            let standing = self.standing(&mut tries, &fact.key, &subject, over).await?;
            claim = Claim::of(fact, standing.as_ref());
        }
    }

    pub(crate) async fn await_end(
        &self,
        key: &JobKey,
        life: &Nonce,
    ) -> Result<Awaiting, TransportError> {
        let subject = self.subjects.job(Place::Record, key);
        let mut tries = self.tries("wait for", &subject);
        let mut mark = Mark::Over(0);
        loop {
            let over = match mark {
                Mark::Known(awaiting) => return Ok(awaiting),
                Mark::Over(over) => over,
            };
            let out = || outgoing(&WireMessage::marker());
            if self.put(&mut tries, key, &subject, out, Bytes::new(), over).await? {
                return Ok(Awaiting::Marked);
            }
            mark = Mark::of(life, self.standing(&mut tries, key, &subject, over).await?);
        }
    }

    /// Stores a message over the one of this sequence, 0 for none. False when another one stands
    /// there, which may be an earlier try of this very message.
    async fn put(
        &self,
        tries: &mut Tries<'_>,
        key: &JobKey,
        subject: &str,
        headers: impl Fn() -> HeaderMap,
        body: Bytes,
        over: u64,
    ) -> Result<bool, TransportError> {
        loop {
            let mut headers = headers();
            headers.insert(EXPECTED_LAST, over.to_string());
            match self.store(subject, headers, body.clone()).await {
                Ok(_) => return Ok(true),
                Err(error) if error.is(WRONG_LAST_SEQUENCE) => return Ok(false),
                Err(ApiError::NoResponders) => {
                    self.make(tries, &self.config_of(Place::Record, &key.queue)).await?;
                }
                Err(error) => tries.again(error).await?,
            }
        }
    }

    /// The last message on a record subject, be it a marker; not that of sequence `not`, as the
    /// broker has just said.
    async fn standing(
        &self,
        tries: &mut Tries<'_>,
        key: &JobKey,
        subject: &str,
        not: u64,
    ) -> Result<Option<Stored>, TransportError> {
        let stream = self.subjects.stream(Place::Record, &key.queue);
        let mut held = self.last_of(&stream, vec![subject.to_owned()]).await?;
        let standing = held.pop().and_then(|held| self.anything(held));
        if standing.as_ref().map_or(0, |it| it.seq) == not {
            // A replica that lags behind, or a record that has just vanished.
            let lags = self.unanswered(subject, self.config.answer_timeout);
            tries.again(lags.into()).await?;
        }
        Ok(standing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_rounded_up_to_whole_seconds() {
        for (millis, text) in [(1, "1s"), (1000, "1s"), (1001, "2s"), (3_600_000, "3600s")] {
            assert_eq!(ttl(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_lifetime_beyond_the_brokers_reckoning_is_a_hundred_years() {
        for long in [Duration::from_millis(u64::MAX), Duration::MAX] {
            assert_eq!(ttl(long), "3153600000s");
        }
    }
}
