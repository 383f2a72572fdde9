//! [`LimitRates`]: start times of jobs with a rate limit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq_core::Timestamp;
use naq_core::flow::{Gcra, Limit, LimitKeys, Rate, RateEntry};
use naq_core::sync::lock;
use naq_core::transport::{Expect, Saved, StateKey, Transport, TransportError};
use tokio::sync::Mutex as AsyncMutex;

use super::keys::rejected;

/// How often a job may lose a start to a faster worker. Then the job is held back.
const TRIES: usize = 8;
/// How long an entry outlives its last start, for clocks that differ.
const ENTRY_MARGIN: Duration = Duration::from_secs(60);
/// The number of keys whose entry is remembered.
const KEYS: usize = 10_000;

/// When the job may start.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RateAnswer {
    Now,
    At(Timestamp),
    /// The next start would be at this time, which is after the job's deadline. The job gets no
    /// start.
    Never(Timestamp),
    /// Other workers were faster each time.
    Contended,
}

/// The entry of a key and its revision, as this worker read or wrote it last.
type CachedRate = Option<(Gcra, u64)>;

#[derive(Debug)]
pub(super) struct LimitRates {
    transport: Arc<dyn Transport>,
    /// By limit key: the entry, locked by the job that asks for a start. The next job finds the
    /// entry as this job wrote it, so most often one request is enough.
    cached: Mutex<HashMap<String, Arc<AsyncMutex<CachedRate>>>>,
}

impl LimitRates {
    pub(super) fn new(transport: Arc<dyn Transport>) -> Self {
        Self { transport, cached: Mutex::default() }
    }

    /// Gives out one start that all these rates allow.
    pub(super) async fn reserve(
        &self,
        limits: &[&Limit],
        now: Timestamp,
        deadline: Option<Timestamp>,
    ) -> Result<RateAnswer, TransportError> {
        let mut rates: Vec<(&str, Rate)> =
            limits.iter().filter_map(|limit| Some((&*limit.key, limit.rate?))).collect();
        // All jobs take the locks in the same order.
        rates.sort_unstable_by_key(|(key, _)| *key);
        let locks: Vec<_> = rates.iter().map(|(key, _)| self.lock_key(key)).collect();
        let mut locked = Vec::with_capacity(rates.len());
        for ((key, rate), lock) in rates.iter().zip(&locks) {
            let entry = LimitKeys::new(key).and_then(|keys| keys.rate()).map_err(rejected)?;
            locked.push((entry, *rate, lock.lock().await));
        }
        let mut start = now;
        for (entry, rate, cached) in &mut locked {
            if cached.is_none() {
                **cached = self.read(entry).await?;
            }
            start = used(cached, now).earliest(rate, start);
        }
        for (entry, rate, cached) in &mut locked {
            let mut tries = 0;
            loop {
                start = used(cached, now).earliest(rate, start);
                if deadline.is_some_and(|deadline| start > deadline) {
                    return Ok(RateAnswer::Never(start));
                }
                if self.take(entry, rate, start, now, cached).await? {
                    break;
                }
                tries += 1;
                if tries == TRIES {
                    return Ok(RateAnswer::Contended);
                }
            }
        }
        Ok(if start <= now { RateAnswer::Now } else { RateAnswer::At(start) })
    }

    /// False when another worker was faster. Then `cached` is its entry.
    async fn take(
        &self,
        entry: &StateKey,
        rate: &Rate,
        start: Timestamp,
        now: Timestamp,
        cached: &mut CachedRate,
    ) -> Result<bool, TransportError> {
        let after = used(cached, now).take(rate, start);
        let expect = cached.map_or(Expect::Absent, |(_, revision)| Expect::Revision(revision));
        // If the write fails, this worker does not know the entry.
        *cached = None;
        let written = RateEntry { used: after, rate: *rate };
        let value = serde_json::to_vec(&written).map_err(rejected)?.into();
        let ttl = after.free_at().since(now) + ENTRY_MARGIN;
        match self.transport.state_put(entry, value, expect, Some(ttl)).await? {
            Saved::Stored(revision) => {
                *cached = Some((after, revision));
                Ok(true)
            }
            Saved::Conflict => {
                *cached = self.read(entry).await?;
                Ok(false)
            }
        }
    }

    async fn read(&self, entry: &StateKey) -> Result<CachedRate, TransportError> {
        let found = self.transport.state_get(std::slice::from_ref(entry)).await?;
        let entry = found.into_iter().next().flatten();
        // An entry that cannot be read counts as empty.
        Ok(entry.map(|e| (serde_json::from_slice(&e.value).unwrap_or_default(), e.revision)))
    }

    fn lock_key(&self, key: &str) -> Arc<AsyncMutex<CachedRate>> {
        let mut cached = lock(&self.cached);
        if cached.len() >= KEYS {
            cached.retain(|_, lock| Arc::strong_count(lock) > 1);
        }
        cached.entry(key.to_owned()).or_default().clone()
    }
}

fn used(cached: &CachedRate, now: Timestamp) -> Gcra {
    cached.map(|(used, _)| used).unwrap_or_default().seen_at(now)
}
