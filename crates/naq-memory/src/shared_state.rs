//! What all workers share: keys with revisions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use naq_core::clock::Timestamp;
use naq_core::transport::{
    Expect, Saved, StateChange, StateEntry, StateKey, StatePage, StateStore, StateWatch,
    TransportError,
};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::state::{MAX_PAYLOAD, whole_seconds};
use crate::transport::{MemoryTransport, Shared};

/// Changes that a slow watcher may fall behind before its watch is broken off.
const CHANGES: usize = 4096;

/// The entries, and who is told of changes.
#[derive(Debug)]
pub(crate) struct SharedState {
    entries: BTreeMap<StateKey, (StateEntry, Option<Timestamp>)>,
    /// The keys by the time at which their entries vanish.
    deadlines: BTreeSet<(Timestamp, StateKey)>,
    revision: u64,
    changes: broadcast::Sender<StateChange>,
}

impl Default for SharedState {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            revision: 0,
            changes: broadcast::channel(CHANGES).0,
        }
    }
}

impl SharedState {
    /// Lets time pass: entries whose time is up vanish.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        while self.next_deadline().is_some_and(|until| until <= now) {
            let Some((_, key)) = self.deadlines.pop_first() else { return };
            self.entries.remove(&key);
            self.tell(StateChange { key, entry: None });
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(until, _)| *until)
    }

    fn fits(&self, key: &StateKey, expect: Expect) -> bool {
        let stands = self.entries.get(key).map(|(entry, _)| entry.revision);
        match expect {
            Expect::Any => true,
            Expect::Absent => stands.is_none(),
            Expect::Revision(revision) => stands == Some(revision),
        }
    }

    fn put(&mut self, entry: StateEntry, expect: Expect, until: Option<Timestamp>) -> Saved {
        if !self.fits(&entry.key, expect) {
            return Saved::Conflict;
        }
        self.take(&entry.key);
        self.revision += 1;
        let entry = StateEntry { revision: self.revision, ..entry };
        self.deadlines.extend(until.map(|until| (until, entry.key.clone())));
        self.entries.insert(entry.key.clone(), (entry.clone(), until));
        self.tell(StateChange { key: entry.key.clone(), entry: Some(entry) });
        Saved::Stored(self.revision)
    }

    fn remove(&mut self, key: &StateKey, expect: Expect) -> Saved {
        if !self.fits(key, expect) {
            return Saved::Conflict;
        }
        if self.take(key) {
            self.revision += 1;
            self.tell(StateChange { key: key.clone(), entry: None });
        }
        Saved::Stored(self.revision)
    }

    /// Takes an entry out, with its deadline. False when there was none.
    fn take(&mut self, key: &StateKey) -> bool {
        let Some((entry, until)) = self.entries.remove(key) else { return false };
        if let Some(until) = until {
            self.deadlines.remove(&(until, entry.key));
        }
        true
    }

    fn under(&self, prefix: &StateKey, from: u64) -> Vec<StateEntry> {
        let after = self.entries.range((Excluded(prefix), Unbounded));
        // In the order of text, keys such as `a-b` stand between `a` and `a.b`.
        let near = after.take_while(|(key, _)| key.as_str().starts_with(prefix.as_str()));
        let fits = |e: &&StateEntry| prefix.covers(&e.key) && e.revision >= from;
        let mut found: Vec<_> = near.map(|(_, (entry, _))| entry).filter(fits).cloned().collect();
        found.sort_by_key(|entry| entry.revision);
        found
    }

    fn tell(&self, change: StateChange) {
        // An error means that nobody watches.
        let _ = self.changes.send(change);
    }
}

#[async_trait]
impl StateStore for MemoryTransport {
    async fn state_get(
        &self,
        keys: &[StateKey],
    ) -> Result<Vec<Option<StateEntry>>, TransportError> {
        let (state, _) = self.shared.state();
        let entry = |key| state.shared.entries.get(key).map(|(entry, _)| entry.clone());
        Ok(keys.iter().map(entry).collect())
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
        if value.len() > MAX_PAYLOAD {
            return Err(TransportError::TooLarge { size: value.len(), max: MAX_PAYLOAD });
        }
        let (mut state, now) = self.shared.state();
        let until = ttl.map(|ttl| now + whole_seconds(ttl));
        let entry = StateEntry { key: key.clone(), revision: 0, stored_at: now, value };
        Ok(state.shared.put(entry, expect, until))
    }

    async fn state_remove(&self, key: &StateKey, expect: Expect) -> Result<Saved, TransportError> {
        Ok(self.shared.state().0.shared.remove(key, expect))
    }

    async fn state_list(
        &self,
        prefix: &StateKey,
        from: u64,
        limit: usize,
    ) -> Result<StatePage, TransportError> {
        let mut entries = self.shared.state().0.shared.under(prefix, from);
        let next = entries.get(limit).map(|entry| entry.revision);
        let left = entries.len().saturating_sub(limit) as u64;
        entries.truncate(limit);
        Ok(StatePage { entries, next, left })
    }

    async fn state_watch(&self, prefix: &StateKey) -> Result<Box<dyn StateWatch>, TransportError> {
        let (state, _) = self.shared.state();
        let (changes, first) = (state.shared.changes.subscribe(), state.shared.under(prefix, 0));
        let told = |entry: StateEntry| StateChange { key: entry.key.clone(), entry: Some(entry) };
        let first = first.into_iter().map(told).collect();
        drop(state);
        let (prefix, shared) = (prefix.clone(), self.shared.clone());
        Ok(Box::new(MemoryWatch { prefix, first, changes, shared }))
    }
}

struct MemoryWatch {
    prefix: StateKey,
    first: VecDeque<StateChange>,
    changes: broadcast::Receiver<StateChange>,
    shared: Arc<Shared>,
}

/// Returns when the next entry is due to vanish; nothing else may look by then.
async fn next_expiry(shared: &Shared) {
    let next = shared.state().0.shared.next_deadline();
    match next {
        Some(until) => shared.timer.sleep_until(until).await,
        None => std::future::pending().await,
    }
}

#[async_trait]
impl StateWatch for MemoryWatch {
    async fn next(&mut self) -> Option<StateChange> {
        if let Some(change) = self.first.pop_front() {
            return Some(change);
        }
        loop {
            let change = tokio::select! {
                biased;
                change = self.changes.recv() => change,
                () = next_expiry(&self.shared) => continue,
            };
            match change {
                Ok(change) if self.prefix.covers(&change.key) => return Some(change),
                Ok(_) => {}
                // What was missed cannot be made up for, except by another watch.
                Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
            }
        }
    }
}

impl fmt::Debug for MemoryWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryWatch").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
