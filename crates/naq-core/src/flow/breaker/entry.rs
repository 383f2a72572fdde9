//! [`BreakerEntry`]: a breaker in the state store.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::{BreakerConfig, BreakerState};
use crate::clock::Timestamp;
use crate::names::{StateKey, StateKeyError};
use crate::transport::{Expect, StateEntry};

/// A breaker in the state store: one entry with the key `breaker.<key>`. A closed breaker that has seen
/// no recent failure has no entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BreakerEntry {
    /// The key of the breaker: a task or a service.
    pub key: String,
    /// The state of the breaker.
    #[serde(flatten)]
    pub state: BreakerState,
    /// When the entry was stored. `None` if there is none.
    pub stored_at: Option<Timestamp>,
    #[serde(skip)]
    revision: Option<u64>,
}

impl BreakerEntry {
    /// A breaker that has no entry: it is closed.
    pub fn absent(key: impl Into<String>) -> Self {
        let state = BreakerState::default();
        Self { key: key.into(), state, stored_at: None, revision: None }
    }

    /// Reads a state-store entry. `None` if it is not a breaker that this version of NAQ can read.
    pub fn read(entry: &StateEntry) -> Option<Self> {
        let key = entry.key.tokens().nth(1)?;
        let state = serde_json::from_slice(&entry.value).ok()?;
        let stored_at = Some(entry.stored_at);
        Some(Self { key, state, stored_at, revision: Some(entry.revision) })
    }

    /// The prefix of the state-store keys of all breakers.
    ///
    /// # Errors
    /// Never: the key is a constant.
    pub fn prefix() -> Result<StateKey, StateKeyError> {
        StateKey::new(["breaker"])
    }

    /// The state-store key of the breaker `key`.
    ///
    /// # Errors
    /// [`StateKeyError`] if `key` is empty or too long.
    pub fn state_key(key: &str) -> Result<StateKey, StateKeyError> {
        StateKey::new(["breaker", key])
    }

    /// The state of the breaker now. Counts are as stored, because only the worker that registered the
    /// breaker knows its window.
    pub fn now(&self, now: Timestamp) -> BreakerState {
        self.state.at(&Self::by_hand(), now)
    }

    /// The settings for programs that show or change a breaker without having registered it.
    pub fn by_hand() -> BreakerConfig {
        BreakerConfig::new().window(Duration::from_secs(7 * 86_400))
    }

    /// Whether the breaker has an entry.
    pub fn is_stored(&self) -> bool {
        self.revision.is_some()
    }

    /// Whether this is a later revision than `other`.
    pub fn is_after(&self, other: &Self) -> bool {
        self.revision > other.revision
    }

    /// The entry after the broker has stored `state` as this revision.
    pub fn stored(mut self, state: BreakerState, revision: u64, now: Timestamp) -> Self {
        self.state = state;
        self.revision = Some(revision);
        self.stored_at = Some(now);
        self
    }

    /// The condition under which the state store accepts a change of this entry.
    pub fn expect(&self) -> Expect {
        self.revision.map_or(Expect::Absent, Expect::Revision)
    }

    /// The value of the entry for this state: JSON.
    pub fn value(state: &BreakerState) -> Bytes {
        // The state can always be written as JSON.
        serde_json::to_vec(state).unwrap_or_default().into()
    }
}
