//! The state store: entries with revisions that all workers share.

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

use crate::broker_state::{MAX_PAYLOAD, whole_seconds};
use crate::transport::{MemoryTransport, SharedBroker};

/// How many changes a slow watcher may be behind. Beyond that its watch ends.
const CHANGES: usize = 4096;

/// The entries, and the channel that reports their changes.
#[derive(Debug)]
pub(crate) struct StateEntries {
    entries: BTreeMap<StateKey, (StateEntry, Option<Timestamp>)>,
    /// The keys by the time at which their entries expire.
    deadlines: BTreeSet<(Timestamp, StateKey)>,
    revision: u64,
    changes: broadcast::Sender<StateChange>,
}

impl Default for StateEntries {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            revision: 0,
            changes: broadcast::channel(CHANGES).0,
        }
    }
}

impl StateEntries {
    /// Moves the clock forward and removes expired entries.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        while self.next_deadline().is_some_and(|until| until <= now) {
            let Some((_, key)) = self.deadlines.pop_first() else { return };
            self.entries.remove(&key);
            self.notify(StateChange { key, entry: None });
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(until, _)| *until)
    }

    fn is_expected(&self, key: &StateKey, expect: Expect) -> bool {
        let current = self.entries.get(key).map(|(entry, _)| entry.revision);
        match expect {
            Expect::Any => true,
            Expect::Absent => current.is_none(),
            Expect::Revision(revision) => current == Some(revision),
        }
    }

    fn put(&mut self, entry: StateEntry, expect: Expect, until: Option<Timestamp>) -> Saved {
        if !self.is_expected(&entry.key, expect) {
            return Saved::Conflict;
        }
        self.remove_with_deadline(&entry.key);
        self.revision += 1;
        let entry = StateEntry { revision: self.revision, ..entry };
        self.deadlines.extend(until.map(|until| (until, entry.key.clone())));
        self.entries.insert(entry.key.clone(), (entry.clone(), until));
        self.notify(StateChange { key: entry.key.clone(), entry: Some(entry) });
        Saved::Stored(self.revision)
    }

    fn remove(&mut self, key: &StateKey, expect: Expect) -> Saved {
        if !self.is_expected(key, expect) {
            return Saved::Conflict;
        }
        if self.remove_with_deadline(key) {
            self.revision += 1;
            self.notify(StateChange { key: key.clone(), entry: None });
        }
        Saved::Stored(self.revision)
    }

    /// Removes an entry and its deadline. False if there was none.
    fn remove_with_deadline(&mut self, key: &StateKey) -> bool {
        let Some((entry, until)) = self.entries.remove(key) else { return false };
        if let Some(until) = until {
            self.deadlines.remove(&(until, entry.key));
        }
        true
    }

    fn entries_below(&self, prefix: &StateKey, from: u64) -> Vec<StateEntry> {
        let after = self.entries.range((Excluded(prefix), Unbounded));
        // In text order, keys such as `a-b` come between `a` and `a.b`.
        let near = after.take_while(|(key, _)| key.as_str().starts_with(prefix.as_str()));
        let fits = |e: &&StateEntry| prefix.covers(&e.key) && e.revision >= from;
        let mut found: Vec<_> = near.map(|(_, (entry, _))| entry).filter(fits).cloned().collect();
        found.sort_by_key(|entry| entry.revision);
        found
    }

    fn notify(&self, change: StateChange) {
        // An error means that there is no watch. That is allowed.
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
        let entry = |key| state.state_entries.entries.get(key).map(|(entry, _)| entry.clone());
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
            let what = format!("store {key}");
            let reason = "the value is empty".into();
            return Err(TransportError::Rejected { what, reason });
        }
        if value.len() > MAX_PAYLOAD {
            return Err(TransportError::TooLarge { size: value.len(), max: MAX_PAYLOAD });
        }
        let (mut state, now) = self.shared.state();
        let until = ttl.map(|ttl| now + whole_seconds(ttl));
        let entry = StateEntry { key: key.clone(), revision: 0, stored_at: now, value };
        Ok(state.state_entries.put(entry, expect, until))
    }

    async fn state_remove(&self, key: &StateKey, expect: Expect) -> Result<Saved, TransportError> {
        Ok(self.shared.state().0.state_entries.remove(key, expect))
    }

    async fn state_list(
        &self,
        prefix: &StateKey,
        from: u64,
        limit: usize,
    ) -> Result<StatePage, TransportError> {
        let mut entries = self.shared.state().0.state_entries.entries_below(prefix, from);
        let next = entries.get(limit).map(|entry| entry.revision);
        let left = entries.len().saturating_sub(limit) as u64;
        entries.truncate(limit);
        Ok(StatePage { entries, next, left })
    }

    async fn state_watch(&self, prefix: &StateKey) -> Result<Box<dyn StateWatch>, TransportError> {
        let (state, _) = self.shared.state();
        let changes = state.state_entries.changes.subscribe();
        let first = state.state_entries.entries_below(prefix, 0);
        let change = |entry: StateEntry| StateChange { key: entry.key.clone(), entry: Some(entry) };
        let first = first.into_iter().map(change).collect();
        drop(state);
        let prefix = prefix.clone();
        Ok(Box::new(MemoryStateWatch { prefix, first, changes, shared: self.shared.clone() }))
    }
}

struct MemoryStateWatch {
    prefix: StateKey,
    first: VecDeque<StateChange>,
    changes: broadcast::Receiver<StateChange>,
    shared: Arc<SharedBroker>,
}

/// Returns when the next entry expires. A watch must wait for this itself, because perhaps no other
/// call comes before that time.
async fn next_expiry(shared: &SharedBroker) {
    let next = shared.state().0.state_entries.next_deadline();
    match next {
        Some(until) => shared.timer.sleep_until(until).await,
        None => std::future::pending().await,
    }
}

#[async_trait]
impl StateWatch for MemoryStateWatch {
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
                // Missed changes cannot be read later. The caller must start another watch.
                Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
            }
        }
    }
}

impl fmt::Debug for MemoryStateWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStateWatch").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
