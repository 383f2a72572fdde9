//! What all workers share: the last message on one subject a key, compared and set by its sequence.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::HeaderMap;
use async_trait::async_trait;
use bytes::Bytes;
use naq_core::JobId;
use naq_core::transport::{
    Expect, Saved, StateEntry, StateKey, StatePage, StateStore, StateWatch, TransportError,
};

use crate::api::Api;
use crate::direct::Held;
use crate::error::{ApiError, WRONG_LAST_SEQUENCE};
use crate::message::{EXPECTED_LAST, TTL};
use crate::records;
use crate::state_watch::Watch;
use crate::transport::NatsTransport;

/// How long the mark of a removal is kept beyond the time that a write is tried for: a removal whose
/// answer was lost is known by its mark.
const MARK: Duration = Duration::from_secs(5);
/// Says to the broker that this is a mark, so that it puts no other mark in its place in the end.
const OPERATION: &str = "KV-Operation";
/// Times that what stood in the way may be gone when it is looked at, in one write.
const VANISHED: u32 = 5;
/// Which call wrote this: one that asks again after a lost answer knows its own.
const WRITE: &str = "Naq-Write";

impl Api {
    /// The entry, if one is there: an empty message is the mark of a removal.
    fn entry(&self, held: &Held) -> Option<StateEntry> {
        let key = self.subjects.state_key(&held.subject)?;
        (!held.body.is_empty()).then(|| StateEntry {
            key,
            revision: held.seq,
            stored_at: held.stored_at,
            value: held.body.clone(),
        })
    }

    async fn last_states(
        &self,
        keys: &[StateKey],
    ) -> Result<HashMap<StateKey, Held>, TransportError> {
        let subjects = keys.iter().map(|key| self.subjects.state(key)).collect();
        let found = self.last_of(&self.subjects.state_stream(), subjects).await?;
        let keyed = |held: Held| Some((self.subjects.state_key(&held.subject)?, held));
        Ok(found.into_iter().filter_map(keyed).collect())
    }

    /// Writes a value, or the mark of a removal.
    async fn write_state(
        &self,
        key: &StateKey,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
    ) -> Result<Saved, TransportError> {
        let subject = self.subjects.state(key);
        let mut tries = self.tries("write to", &subject);
        let write = JobId::random();
        let mut vanished = 0;
        let mut expected = match expect {
            Expect::Any => None,
            Expect::Absent => Some(0),
            Expect::Revision(revision) => Some(revision),
        };
        loop {
            let mut headers = HeaderMap::new();
            if value.is_empty() {
                headers.insert(OPERATION, "PURGE");
            }
            if let Some(ttl) = ttl {
                headers.insert(TTL, records::ttl(ttl));
            }
            if let Some(expected) = expected {
                headers.insert(EXPECTED_LAST, expected.to_string());
                headers.insert(WRITE, write.as_str());
            }
            match self.store(&subject, headers, value.clone()).await {
                Ok(ack) => return Ok(Saved::Stored(ack.seq)),
                Err(error) if expected.is_some() && error.is(WRONG_LAST_SEQUENCE) => {
                    let last = self.last_states(std::slice::from_ref(key)).await?.remove(key);
                    match last {
                        // An earlier try of this very call, whose answer was lost.
                        Some(last) if tries.failed > 0 && last.is_by(WRITE, write.as_str()) => {
                            return Ok(Saved::Stored(last.seq));
                        }
                        // Nothing is there; only the mark of what was.
                        Some(last)
                            if expect == Expect::Absent
                                && last.body.is_empty()
                                && expected != Some(last.seq) =>
                        {
                            expected = Some(last.seq);
                        }
                        // The mark's own time was up between the refusal and the look. A look may
                        // also be behind in a cluster, so not for ever.
                        None if expect == Expect::Absent && vanished < VANISHED => {
                            vanished += 1;
                            expected = Some(0);
                        }
                        _ => return Ok(Saved::Conflict),
                    }
                }
                Err(ApiError::NoResponders) => {
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
impl StateStore for NatsTransport {
    async fn state_get(
        &self,
        keys: &[StateKey],
    ) -> Result<Vec<Option<StateEntry>>, TransportError> {
        let found = self.api.last_states(keys).await?;
        Ok(keys.iter().map(|key| self.api.entry(found.get(key)?)).collect())
    }

    async fn state_put(
        &self,
        key: &StateKey,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
    ) -> Result<Saved, TransportError> {
        if value.is_empty() {
            let (what, reason) = (format!("store {key}"), "the value is empty".into());
            return Err(TransportError::Rejected { what, reason });
        }
        self.api.write_state(key, value, expect, ttl).await
    }

    async fn state_remove(&self, key: &StateKey, expect: Expect) -> Result<Saved, TransportError> {
        let mark = self.api.config.request_timeout + MARK;
        self.api.write_state(key, Bytes::new(), expect, Some(mark)).await
    }

    async fn state_list(
        &self,
        prefix: &StateKey,
        from: u64,
        limit: usize,
    ) -> Result<StatePage, TransportError> {
        let stream = self.api.subjects.state_stream();
        let subject = self.api.subjects.states(prefix);
        let batch = self.api.next_of(&stream, &subject, from, limit).await?;
        let next = (batch.left > 0).then(|| batch.held.last().map(|held| held.seq + 1)).flatten();
        Ok(StatePage {
            entries: batch.held.iter().filter_map(|h| self.api.entry(h)).collect(),
            next,
            left: batch.left,
        })
    }

    async fn state_watch(&self, prefix: &StateKey) -> Result<Box<dyn StateWatch>, TransportError> {
        Ok(Box::new(Watch::begin(&self.api, prefix).await?))
    }
}
