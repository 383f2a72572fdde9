//! [`BreakerEvent`]: an event that changes a breaker.

use super::{BreakerConfig, BreakerState, Window};
use crate::clock::Timestamp;

/// An event that changes a breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BreakerEvent {
    /// Calls that were not probes have ended.
    Counted {
        /// [`BreakerState::opened_at`] at the start of these calls. The breaker ignores calls that
        /// started before it last opened.
        opened_at: Option<Timestamp>,
        /// How the calls ended.
        calls: Window,
    },
    /// A caller asks for a probe, or renews the probe with the same id.
    /// [`BreakerState::has_probe`] then says whether the caller has it.
    ProbeTaken {
        /// The id of the probe, which the caller chooses.
        id: String,
        /// When the probe is free again if no [`ProbeEnded`](Self::ProbeEnded) follows, because the
        /// caller may have crashed.
        until: Timestamp,
    },
    /// A probe has ended.
    ProbeEnded {
        /// The id of the probe.
        id: String,
        /// Whether the call succeeded. `None` if the call was not made.
        success: Option<bool>,
    },
    /// An operator opens the breaker.
    Open {
        /// When it starts to recover. `None` if it stays open until an operator closes it.
        until: Option<Timestamp>,
        /// Why the operator opened it.
        reason: String,
    },
    /// An operator closes the breaker: it starts to recover.
    Close,
}

impl BreakerEvent {
    /// The event that one call, which started in `state`, has succeeded.
    pub fn succeeded(config: &BreakerConfig, state: &BreakerState, now: Timestamp) -> Self {
        Self::one(config, state, false, now)
    }

    /// The event that one call, which started in `state`, has failed.
    pub fn failed(config: &BreakerConfig, state: &BreakerState, now: Timestamp) -> Self {
        Self::one(config, state, true, now)
    }

    fn one(config: &BreakerConfig, state: &BreakerState, failed: bool, now: Timestamp) -> Self {
        let mut calls = Window::default();
        calls.count(config, failed, now);
        Self::Counted { opened_at: state.opened_at, calls }
    }
}
