//! [`BreakerEvent`]: what happens to a breaker.

use super::{BreakerConfig, BreakerState, Window};
use crate::clock::Timestamp;

/// What happens to a breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BreakerEvent {
    /// Calls that were no probes have ended.
    Counted {
        /// When the breaker had last opened as they started ([`BreakerState::opened_at`]): calls
        /// from before it opened say nothing of the time after.
        opened_at: Option<Timestamp>,
        /// How they ended.
        calls: Window,
    },
    /// Somebody wants to make a call as a probe; or goes on with one, under the same id. Whether
    /// it may says [`BreakerState::has_probe`] afterwards.
    ProbeTaken {
        /// Whose it is.
        id: String,
        /// When it is free again if nobody says how it ended: the caller may have died.
        until: Timestamp,
    },
    /// A probe has ended.
    ProbeEnded {
        /// Which.
        id: String,
        /// Whether the call succeeded; none when it was not made after all.
        success: Option<bool>,
    },
    /// Somebody opens it by hand.
    Open {
        /// Until when; none for until it is closed by hand.
        until: Option<Timestamp>,
        /// Why.
        reason: String,
    },
    /// Somebody closes it by hand: it recovers.
    Close,
}

impl BreakerEvent {
    /// One call that started under `state` has succeeded.
    pub fn succeeded(config: &BreakerConfig, state: &BreakerState, now: Timestamp) -> Self {
        Self::one(config, state, false, now)
    }

    /// One call that started under `state` has failed.
    pub fn failed(config: &BreakerConfig, state: &BreakerState, now: Timestamp) -> Self {
        Self::one(config, state, true, now)
    }

    fn one(config: &BreakerConfig, state: &BreakerState, failed: bool, now: Timestamp) -> Self {
        let mut calls = Window::default();
        calls.count(config, failed, now);
        Self::Counted { opened_at: state.opened_at, calls }
    }
}
