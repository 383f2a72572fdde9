//! Small things that all workers share: a key, a value, and a revision to compare and set by.
//!
//! Everything beyond the job itself that a cluster must agree on lives here: keys of unique jobs,
//! limits, breakers, budgets, schedules, progress, edges of workflows.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::TransportError;
use crate::clock::Timestamp;
use crate::names::StateKey;

/// What stands under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateEntry {
    /// The key.
    pub key: StateKey,
    /// Which version of it; later ones are greater, over all keys.
    pub revision: u64,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// The value, never empty.
    pub value: Bytes,
}

/// What must stand under a key for a new value to be stored there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Whatever.
    Any,
    /// Nothing.
    Absent,
    /// The entry of this revision.
    Revision(u64),
}

/// Whether a value was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// It was, under this revision.
    Stored(u64),
    /// It was not: something else than what was expected stands there.
    Conflict,
}

/// A page of entries, oldest revision first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatePage {
    /// The entries.
    pub entries: Vec<StateEntry>,
    /// The revision at which the next page begins; none after the last.
    pub next: Option<u64>,
    /// How many entries come after this page; what was removed in the last second may count too.
    pub left: u64,
}

/// A key whose entry changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    /// The key.
    pub key: StateKey,
    /// What stands there now; none when it was removed or its time was up.
    pub entry: Option<StateEntry>,
}

/// The changes under one prefix. Of an entry that changes often, some versions may be left out,
/// never the last; a removal may be told of an entry that was not.
#[async_trait]
pub trait StateWatch: Send + fmt::Debug {
    /// The next change; what stood there when the watch began comes first, as changes. None once
    /// the watch is broken off, with the connection for example: forget what it told and begin
    /// another one. Nothing is lost when this is dropped before it is done.
    async fn next(&mut self) -> Option<StateChange>;
}

/// Keeps what all workers share: small values, some thousands of them.
#[async_trait]
pub trait StateStore: Send + Sync + 'static {
    /// What stands under each of these keys, in their order.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn state_get(&self, keys: &[StateKey])
    -> Result<Vec<Option<StateEntry>>, TransportError>;

    /// Stores a value, for `ttl` (rounded up to whole seconds) or until it is removed; a value that
    /// takes its place has a lifetime of its own. Returns once the broker has it. When a transport
    /// asks again after a lost answer, its own first try is no conflict. Nothing is expected of
    /// what was removed or has expired: it is [`Expect::Absent`].
    ///
    /// # Errors
    /// [`TransportError::Rejected`] for an empty value, [`TransportError::TooLarge`],
    /// [`TransportError::Permission`] among others. After a time-out it may be stored.
    async fn state_put(
        &self,
        key: &StateKey,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
    ) -> Result<Saved, TransportError>;

    /// Removes an entry, if it is what is expected there. [`Saved::Stored`] also when nothing
    /// stood there and nothing had to.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn state_remove(&self, key: &StateKey, expect: Expect) -> Result<Saved, TransportError>;

    /// Entries that `prefix` [covers](StateKey::covers), from revision `from` on, at most `limit`
    /// (fewer do not mean that it was the last page). An entry that is stored anew meanwhile comes
    /// on a later page, perhaps once more.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn state_list(
        &self,
        prefix: &StateKey,
        from: u64,
        limit: usize,
    ) -> Result<StatePage, TransportError>;

    /// Watches what `prefix` [covers](StateKey::covers).
    ///
    /// # Errors
    /// [`TransportError`].
    async fn state_watch(&self, prefix: &StateKey) -> Result<Box<dyn StateWatch>, TransportError>;
}
