//! [`BreakerEntry`]: a breaker as a cluster keeps it.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::{BreakerConfig, BreakerState};
use crate::clock::Timestamp;
use crate::names::{StateKey, StateKeyError};
use crate::transport::{Expect, StateEntry};

/// A breaker as a cluster keeps it: one entry under `breaker.<key>`, and none for one that is closed
/// and saw no failure lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BreakerEntry {
    /// The task or dependency that it is for.
    pub key: String,
    /// Where it stands.
    #[serde(flatten)]
    pub state: BreakerState,
    /// When it was stored; none when nothing is.
    pub stored_at: Option<Timestamp>,
    #[serde(skip)]
    revision: Option<u64>,
}

impl BreakerEntry {
    /// One of which nothing is stored: it is closed.
    pub fn absent(key: impl Into<String>) -> Self {
        let state = BreakerState::default();
        Self { key: key.into(), state, stored_at: None, revision: None }
    }

    /// Reads what is stored. None for what is no breaker, such as one that a newer version of NAQ
    /// has written.
    pub fn read(entry: &StateEntry) -> Option<Self> {
        let key = entry.key.tokens().nth(1)?;
        let state = serde_json::from_slice(&entry.value).ok()?;
        let (stored_at, revision) = (Some(entry.stored_at), Some(entry.revision));
        Some(Self { key, state, stored_at, revision })
    }

    /// The prefix of all breakers.
    ///
    /// # Errors
    /// None in fact.
    pub fn prefix() -> Result<StateKey, StateKeyError> {
        StateKey::new(["breaker"])
    }

    /// Where the breaker of this key is stored.
    ///
    /// # Errors
    /// [`StateKeyError`] when `key` is empty or too long.
    pub fn state_key(key: &str) -> Result<StateKey, StateKeyError> {
        StateKey::new(["breaker", key])
    }

    /// Where it stands now. Counts are as they were stored: how long they count only those know who
    /// registered the breaker.
    pub fn now(&self, now: Timestamp) -> BreakerState {
        self.state.at(&Self::by_hand(), now)
    }

    /// The settings by which one is looked at or moved that registered none.
    pub fn by_hand() -> BreakerConfig {
        BreakerConfig::new().window(Duration::from_secs(7 * 86_400))
    }

    /// Whether anything is stored.
    pub fn is_stored(&self) -> bool {
        self.revision.is_some()
    }

    /// Whether this is a later version than the other.
    pub fn is_after(&self, other: &Self) -> bool {
        self.revision > other.revision
    }

    /// The entry after the broker has stored `state` as this revision.
    pub fn stored(mut self, state: BreakerState, revision: u64, now: Timestamp) -> Self {
        (self.state, self.revision, self.stored_at) = (state, Some(revision), Some(now));
        self
    }

    /// What must still be stored for a change of this entry to be accepted.
    pub fn expect(&self) -> Expect {
        self.revision.map_or(Expect::Absent, Expect::Revision)
    }

    /// The state as it is stored.
    pub fn value(state: &BreakerState) -> Bytes {
        // Plain data of our own: there is nothing in it that has no JSON.
        serde_json::to_vec(state).unwrap_or_default().into()
    }
}
