//! The state store: the last message on one subject per key, with compare and set by its sequence.

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
use crate::direct::StreamMessage;
use crate::error::ApiError;
use crate::error_codes::WRONG_LAST_SEQUENCE;
use crate::message::{EXPECTED_LAST, OPERATION, ROLLUP, TTL};
use crate::records;
use crate::schema;
use crate::state_poll::PolledStateWatch;
use crate::state_watch::NatsStateWatch;
use crate::stream_info::StreamInfo;
use crate::subjects::{StatePart, api};
use crate::transport::NatsTransport;

/// A tombstone is stored for the longest time that a write may take, and for this long after it. By
/// its tombstone a call recognises a removal of its own whose reply was lost.
const TOMBSTONE_GRACE: Duration = Duration::from_secs(5);
/// The broker then writes a delete marker when the tombstone expires, as for an entry.
const REMOVED: &str = "DEL";
/// How often one write is repeated because the message that caused a conflict was gone when it was
/// read.
const MAX_EXPIRED_READS: u32 = 5;
/// Names the call that wrote this entry. A call that repeats its request recognises its own entry.
const WRITE_ID: &str = "Naq-Write";

impl Api {
    /// The entry. `None` for an empty message, which is the tombstone of a removed entry.
    pub(crate) fn entry(&self, message: &StreamMessage) -> Option<StateEntry> {
        let key = self.subjects.state_key(&message.subject)?;
        (!message.body.is_empty()).then(|| StateEntry {
            key,
            revision: message.seq,
            stored_at: message.stored_at,
            value: message.body.clone(),
        })
    }

    async fn last_states(
        &self,
        keys: &[StateKey],
    ) -> Result<HashMap<StateKey, StreamMessage>, TransportError> {
        let mut last = HashMap::new();
        for part in StatePart::ALL {
            let of_part = keys.iter().filter(|key| StatePart::of(key) == part);
            let subjects: Vec<_> = of_part.map(|key| self.subjects.state(key)).collect();
            if subjects.is_empty() {
                continue;
            }
            for message in self.last_of(&self.subjects.state_stream(part), subjects).await? {
                let Some(key) = self.subjects.state_key(&message.subject) else { continue };
                last.insert(key, message);
            }
        }
        Ok(last)
    }

    /// Writes a value, or the tombstone of a removal.
    async fn write_state(
        &self,
        key: &StateKey,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
    ) -> Result<Saved, TransportError> {
        let (subject, part) = (self.subjects.state(key), StatePart::of(key));
        if part == StatePart::Shared {
            self.refuse_newer_state().await?;
        }
        let mut retry = self.request_retry("write to", &subject);
        let write_id = JobId::random();
        let mut expired = 0;
        let mut expected = match expect {
            Expect::Any => None,
            Expect::Absent => Some(0),
            Expect::Revision(revision) => Some(revision),
        };
        loop {
            let mut headers = HeaderMap::new();
            if value.is_empty() {
                headers.insert(OPERATION, REMOVED);
            }
            // The stream of the audit log has one time for all its entries.
            if let Some(ttl) = ttl.filter(|_| part != StatePart::Audit) {
                headers.insert(TTL, records::ttl(ttl));
            }
            // The broker notes in its files which message it removes for a rollup. For a limit per subject
            // it does not, and after it was killed, a removed entry was there again (ADR 0064).
            if part == StatePart::Shared {
                headers.insert(ROLLUP, "sub");
            }
            if let Some(expected) = expected {
                headers.insert(EXPECTED_LAST, expected.to_string());
                headers.insert(WRITE_ID, write_id.as_str());
            }
            match self.store(&subject, headers, value.clone()).await {
                Ok(ack) => return Ok(Saved::Stored(ack.seq)),
                Err(error) if expected.is_some() && error.is(WRONG_LAST_SEQUENCE) => {
                    let last = self.last_states(std::slice::from_ref(key)).await?.remove(key);
                    match last {
                        // An earlier request of this call has stored it, and its reply was lost.
                        Some(last)
                            if retry.unclear > 0
                                && last.has_header(WRITE_ID, write_id.as_str()) =>
                        {
                            return Ok(Saved::Stored(last.seq));
                        }
                        // There is no entry, only the tombstone of an earlier one.
                        Some(last)
                            if expect == Expect::Absent
                                && last.body.is_empty()
                                && expected != Some(last.seq) =>
                        {
                            expected = Some(last.seq);
                        }
                        // The tombstone expired between the conflict and the read. A read in a
                        // cluster may also be behind, so the number of repeats is limited.
                        None if expect == Expect::Absent && expired < MAX_EXPIRED_READS => {
                            expired += 1;
                            expected = Some(0);
                        }
                        _ => return Ok(Saved::Conflict),
                    }
                }
                Err(ApiError::NoResponders) => {
                    if !self.ensure_stream(&self.configs().part_config(part)).await? {
                        retry.wait_to_retry(ApiError::NoResponders).await?;
                    }
                }
                Err(error) if value.is_empty() && expected.is_none() && error.is_store_full() => {
                    return self.delete_state(key).await;
                }
                Err(error) => retry.wait_to_retry(error).await?,
            }
        }
    }

    /// Refuses a stream of the state store with a newer schema. Asks the broker once, before the first
    /// write of this process. Without an answer the write goes on: a broker that does not answer stores
    /// nothing either.
    pub(crate) async fn refuse_newer_state(&self) -> Result<(), TransportError> {
        if self.state_schema.is_known() {
            return Ok(());
        }
        let stream = self.subjects.state_stream(StatePart::Shared);
        match self.call::<_, StreamInfo>(&api::stream_info(&stream), &()).await {
            Ok(info) => schema::refuse_newer(&self.configs().state_config(), &info.config)?,
            // A user who may not read the settings works without this.
            Err(error) if error.is_permission() => {}
            Err(_) => return Ok(()),
        }
        self.state_schema.set_known();
        Ok(())
    }

    /// Removes an entry without a tombstone, for which a full store has no room. A watch does not see
    /// this removal. It needs the right to publish to `$JS.API.STREAM.MSG.DELETE.<stream>`.
    async fn delete_state(&self, key: &StateKey) -> Result<Saved, TransportError> {
        let last = self.last_states(std::slice::from_ref(key)).await?.remove(key);
        if let Some(last) = &last {
            self.delete(&self.subjects.state_stream(StatePart::of(key)), last.seq).await?;
        }
        Ok(Saved::Stored(last.map_or(0, |last| last.seq)))
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
            let what = format!("store {key}");
            let reason = "the value is empty".into();
            return Err(TransportError::Rejected { what, reason });
        }
        self.api.write_state(key, value, expect, ttl).await
    }

    async fn state_remove(&self, key: &StateKey, expect: Expect) -> Result<Saved, TransportError> {
        let ttl = self.api.config.request_timeout + TOMBSTONE_GRACE;
        self.api.write_state(key, Bytes::new(), expect, Some(ttl)).await
    }

    async fn state_list(
        &self,
        prefix: &StateKey,
        from: u64,
        limit: usize,
    ) -> Result<StatePage, TransportError> {
        let stream = self.api.subjects.state_stream(StatePart::of(prefix));
        let subject = self.api.subjects.states(prefix);
        let batch = self.api.next_of(&stream, &subject, from, limit).await?;
        let next = (batch.left > 0)
            .then(|| batch.messages.last().map(|message| message.seq + 1))
            .flatten();
        Ok(StatePage {
            entries: batch.messages.iter().filter_map(|message| self.api.entry(message)).collect(),
            next,
            left: batch.left,
        })
    }

    async fn state_watch(&self, prefix: &StateKey) -> Result<Box<dyn StateWatch>, TransportError> {
        match NatsStateWatch::begin(&self.api, prefix).await {
            Ok(watch) => Ok(Box::new(watch)),
            // A user who may not create consumers: their configuration names a subject to which the
            // broker then writes.
            Err(TransportError::Permission { .. }) => {
                Ok(Box::new(PolledStateWatch::begin(&self.api, prefix).await?))
            }
            Err(error) => Err(error),
        }
    }
}
