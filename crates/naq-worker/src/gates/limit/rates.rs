//! The rates of all keys: gives out start times.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use naq_core::Timestamp;
use naq_core::flow::{Gcra, Limit, LimitKeys, Rate, RateEntry};
use naq_core::transport::{Expect, Saved, StateKey, Transport, TransportError};
use tokio::sync::Mutex as Turn;

use super::slots::rejected;

/// Races with other workers before the job waits.
const TRIES: usize = 8;
/// How long an entry outlives the last start that it knows of, for clocks that differ.
const KEPT: Duration = Duration::from_secs(60);
/// Keys whose entry is remembered.
const KEYS: usize = 10_000;

/// When the job may start.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    Now,
    At(Timestamp),
    /// Only then, which is after its deadline. Nothing was given out.
    Never(Timestamp),
    /// Others were faster, again and again.
    Lost,
}

/// The entry of a key as it was last seen.
type Seen = Option<(Gcra, u64)>;

#[derive(Debug)]
pub(super) struct Rates {
    transport: Arc<dyn Transport>,
    /// One job of a worker at a time asks for a key, and knows what the one before it has written:
    /// most often one request is enough.
    seen: Mutex<HashMap<String, Arc<Turn<Seen>>>>,
}

impl Rates {
    pub(super) fn new(transport: Arc<dyn Transport>) -> Self {
        Self { transport, seen: Mutex::default() }
    }

    /// Gets one start that all these rates allow.
    pub(super) async fn reserve(
        &self,
        limits: &[&Limit],
        now: Timestamp,
        deadline: Option<Timestamp>,
    ) -> Result<Start, TransportError> {
        let mut rates: Vec<(&str, Rate)> =
            limits.iter().filter_map(|limit| Some((&*limit.key, limit.rate?))).collect();
        // Everybody waits for turns in the same order.
        rates.sort_unstable_by_key(|(key, _)| *key);
        let turns: Vec<_> = rates.iter().map(|(key, _)| self.turn(key)).collect();
        let mut asked = Vec::with_capacity(rates.len());
        for ((key, rate), turn) in rates.iter().zip(&turns) {
            let entry = LimitKeys::new(key).and_then(|keys| keys.rate()).map_err(rejected)?;
            asked.push((entry, *rate, turn.lock().await));
        }
        let mut start = now;
        for (entry, rate, seen) in &mut asked {
            if seen.is_none() {
                **seen = self.look(entry).await?;
            }
            start = used(seen, now).earliest(rate, start);
        }
        for (entry, rate, seen) in &mut asked {
            let mut tries = 0;
            loop {
                start = used(seen, now).earliest(rate, start);
                if deadline.is_some_and(|deadline| start > deadline) {
                    return Ok(Start::Never(start));
                }
                if self.take(entry, rate, start, now, seen).await? {
                    break;
                }
                tries += 1;
                if tries == TRIES {
                    return Ok(Start::Lost);
                }
            }
        }
        Ok(if start <= now { Start::Now } else { Start::At(start) })
    }

    /// False when somebody else was faster; what is seen then is what they left.
    async fn take(
        &self,
        entry: &StateKey,
        rate: &Rate,
        start: Timestamp,
        now: Timestamp,
        seen: &mut Seen,
    ) -> Result<bool, TransportError> {
        let after = used(seen, now).take(rate, start);
        let expect = seen.map_or(Expect::Absent, |(_, revision)| Expect::Revision(revision));
        // Whatever comes of it, this is not known any more.
        *seen = None;
        let written = RateEntry { used: after, rate: *rate };
        let value = serde_json::to_vec(&written).map_err(rejected)?.into();
        let ttl = after.free_at().since(now) + KEPT;
        match self.transport.state_put(entry, value, expect, Some(ttl)).await? {
            Saved::Stored(revision) => {
                *seen = Some((after, revision));
                Ok(true)
            }
            Saved::Conflict => {
                *seen = self.look(entry).await?;
                Ok(false)
            }
        }
    }

    async fn look(&self, entry: &StateKey) -> Result<Seen, TransportError> {
        let found = self.transport.state_get(std::slice::from_ref(entry)).await?;
        let entry = found.into_iter().next().flatten();
        // What cannot be read says nothing of any start.
        Ok(entry.map(|e| (serde_json::from_slice(&e.value).unwrap_or_default(), e.revision)))
    }

    fn turn(&self, key: &str) -> Arc<Turn<Seen>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= KEYS {
            seen.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        seen.entry(key.to_owned()).or_default().clone()
    }
}

fn used(seen: &Seen, now: Timestamp) -> Gcra {
    seen.map(|(used, _)| used).unwrap_or_default().seen_at(now)
}
