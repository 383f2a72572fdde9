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

/// Looks for a record that the broker says it has, before it is taken to have vanished.
const LOOKS: usize = 3;

/// What became of a message for a record subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Put {
    Stored,
    /// Another one stands there, which may be an earlier try of this very message.
    Taken,
    /// One of this id was stored before: by an earlier try, or by another who ends the job so, too.
    Before,
}

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
            match self.put(&mut tries, &fact.key, &subject, out, body, over).await? {
                Put::Stored => return Ok(written),
                Put::Before => return self.stored_before(&mut tries, fact, &subject).await,
                Put::Taken => {}
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
            if self.put(&mut tries, key, &subject, out, Bytes::new(), over).await? == Put::Stored {
                return Ok(Awaiting::Marked);
            }
            mark = Mark::of(life, self.standing(&mut tries, key, &subject, over).await?);
        }
    }

    /// What a record came to that the broker says it has: what stands there tells whose it is, and
    /// whether others wait for it.
    async fn stored_before(
        &self,
        tries: &mut Tries<'_>,
        fact: &Fact,
        subject: &str,
    ) -> Result<Written, TransportError> {
        for _ in 0..LOOKS {
            let standing = self.last_on(&fact.key, subject).await?;
            if let Claim::Decided(written) = Claim::of(fact, standing.as_ref()) {
                return Ok(written);
            }
            // A replica may lag behind.
            tries.again(self.unanswered(subject, self.config.answer_timeout).into()).await?;
        }
        // Its time was over, or another life's took its place.
        Ok(Written::Stored)
    }

    /// Stores a message over the one of this sequence, 0 for none.
    async fn put(
        &self,
        tries: &mut Tries<'_>,
        key: &JobKey,
        subject: &str,
        headers: impl Fn() -> HeaderMap,
        body: Bytes,
        over: u64,
    ) -> Result<Put, TransportError> {
        loop {
            let mut headers = headers();
            headers.insert(EXPECTED_LAST, over.to_string());
            match self.store(subject, headers, body.clone()).await {
                Ok(ack) if ack.duplicate => return Ok(Put::Before),
                Ok(_) => return Ok(Put::Stored),
                Err(error) if error.is(WRONG_LAST_SEQUENCE) => return Ok(Put::Taken),
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
        let standing = self.last_on(key, subject).await?;
        if standing.as_ref().map_or(0, |it| it.seq) == not {
            // A replica that lags behind, or a record that has just vanished.
            let lags = self.unanswered(subject, self.config.answer_timeout);
            tries.again(lags.into()).await?;
        }
        Ok(standing)
    }

    async fn last_on(&self, key: &JobKey, subject: &str) -> Result<Option<Stored>, TransportError> {
        let stream = self.subjects.stream(Place::Record, &key.queue);
        let mut held = self.last_of(&stream, vec![subject.to_owned()]).await?;
        Ok(held.pop().and_then(|held| self.anything(held)))
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
