//! [`StateStore`]: the port to the state store, the small values that all workers share. An entry has a
//! key, a value and a revision, which makes compare-and-set possible.
//!
//! It holds everything besides the jobs that all workers must agree on: unique keys, limits, breakers,
//! budgets, schedules, progress, edges of workflows.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::TransportError;
use crate::clock::Timestamp;
use crate::names::StateKey;

/// An entry of the state store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateEntry {
    /// The key.
    pub key: StateKey,
    /// The revision. A later revision is greater, over all keys.
    pub revision: u64,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// The value. It is never empty.
    pub value: Bytes,
}

/// The condition under which a value is stored or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Always.
    Any,
    /// If the key has no entry.
    Absent,
    /// If the entry of the key has this revision.
    Revision(u64),
}

/// Whether a value was stored or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// Yes, with this revision.
    Stored(u64),
    /// No: the condition was not met.
    Conflict,
}

/// A page of entries, oldest revision first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatePage {
    /// The entries.
    pub entries: Vec<StateEntry>,
    /// The revision at which the next page begins. `None` after the last page.
    pub next: Option<u64>,
    /// How many entries come after this page. Entries removed in the last second may count too.
    pub left: u64,
}

/// A key whose entry changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    /// The key.
    pub key: StateKey,
    /// Its entry now. `None` if it was removed or has expired.
    pub entry: Option<StateEntry>,
}

/// The changes of all entries under one prefix. If an entry changes often, the watch may leave out some
/// of its revisions, but never the last one. A removal may be reported for an entry that did not exist.
#[async_trait]
pub trait StateWatch: Send + fmt::Debug {
    /// The next change. The entries that existed when the watch began come first, as changes. `None`
    /// when the watch has ended, for example with the connection. Then the caller must drop all entries
    /// that it knows from this watch, and begin another one. Cancel safe: dropping the future loses nothing.
    async fn next(&mut self) -> Option<StateChange>;
}

/// Stores small values, some thousands of them, that all workers share.
#[async_trait]
pub trait StateStore: Send + Sync + 'static {
    /// The entries of these keys, in the order of the keys.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn state_get(&self, keys: &[StateKey])
    -> Result<Vec<Option<StateEntry>>, TransportError>;

    /// Stores a value for `ttl`, rounded up to whole seconds, or until it is removed. A later value of
    /// the same key has its own `ttl`. Returns when the broker has stored it. If the transport repeats
    /// the request after a lost answer, the value that the first request stored is not a conflict. A key whose entry was
    /// removed or has expired counts as [`Expect::Absent`].
    ///
    /// # Errors
    /// [`TransportError`], such as [`TransportError::Rejected`] for an empty value. After a
    /// [`TransportError::Timeout`] the value may be stored.
    async fn state_put(
        &self,
        key: &StateKey,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
    ) -> Result<Saved, TransportError>;

    /// Removes an entry if the condition is met. Returns [`Saved::Stored`] also if there is no entry
    /// and the condition allows that.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn state_remove(&self, key: &StateKey, expect: Expect) -> Result<Saved, TransportError>;

    /// At most `limit` entries that `prefix` [covers](StateKey::covers), from revision `from` on. A short
    /// page may have a next page. An entry that is stored again meanwhile is also on a later page.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn state_list(
        &self,
        prefix: &StateKey,
        from: u64,
        limit: usize,
    ) -> Result<StatePage, TransportError>;

    /// Watches the entries that `prefix` [covers](StateKey::covers).
    ///
    /// # Errors
    /// [`TransportError`].
    async fn state_watch(&self, prefix: &StateKey) -> Result<Box<dyn StateWatch>, TransportError>;
}
