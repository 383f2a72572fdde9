//! [`BreakerState`]: the state of a breaker, and its [`Phase`].

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{BreakerConfig, Window};
use crate::clock::Timestamp;
use crate::flow::skew::MAX_CLOCK_SKEW;

/// How long the state store keeps an open breaker that no worker uses any more.
const UNUSED_KEPT_FOR: Duration = Duration::from_secs(86_400);
/// How long the state store keeps a breaker after its recovery.
const RECOVERED_KEPT_FOR: Duration = Duration::from_secs(60);

/// The state of a breaker; closed by default. Plain data that can be stored, for example as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BreakerState {
    /// When the breaker last opened. `None` if it never did, or was forgotten. Calls carry it, so that
    /// the breaker ignores a call that started before it last opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// How often the breaker has opened since it was last closed.
    #[serde(default)]
    pub round: u32,
    /// The phase, with its data.
    #[serde(flatten)]
    pub phase: Phase,
}

/// The phases of a breaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// All calls may start.
    Closed {
        /// How recent calls ended.
        #[serde(default)]
        window: Window,
    },
    /// No call may start.
    Open {
        /// When the breaker opened.
        since: Timestamp,
        /// When probes may start. `None` if it stays open until an operator closes it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// Whether an operator opened it. Then there are no probes: it recovers at `until`.
        #[serde(default)]
        by_hand: bool,
        /// Why the breaker opened.
        #[serde(default)]
        reason: String,
        /// Probes that still run since the breaker was last half open. They count among the probes that
        /// may run at once.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        probes: Vec<Probe>,
    },
    /// A few calls may start, as probes.
    HalfOpen {
        /// When the first probe started.
        since: Timestamp,
        /// The probes that run.
        #[serde(default)]
        probes: Vec<Probe>,
        /// How many probes have succeeded.
        #[serde(default)]
        successes: u32,
    },
    /// A growing share of the calls may start.
    Recovering {
        /// When the recovery started.
        since: Timestamp,
        /// When all calls may start.
        until: Timestamp,
        /// How the calls of the recovery ended.
        #[serde(default)]
        window: Window,
    },
}

/// A trial call that finds out whether calls succeed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The id that the caller has chosen.
    pub id: String,
    /// When the probe is free again if its end is not reported.
    pub until: Timestamp,
}

impl Default for Phase {
    fn default() -> Self {
        Self::Closed { window: Window::default() }
    }
}

impl Phase {
    /// The name of the phase: `closed`, `open`, `half_open` or `recovering`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "half_open",
            Self::Recovering { .. } => "recovering",
        }
    }

    /// The probes that run; none if the breaker is closed or recovering.
    pub fn probes(&self) -> &[Probe] {
        match self {
            Self::Open { probes, .. } | Self::HalfOpen { probes, .. } => probes,
            Self::Closed { .. } | Self::Recovering { .. } => &[],
        }
    }

    pub(super) fn recovering(since: Timestamp, span: Duration) -> Self {
        Self::Recovering { since, until: since + span, window: Window::default() }
    }

    /// When the phase started. `None` if the breaker is closed.
    pub const fn since(&self) -> Option<Timestamp> {
        match self {
            Self::Closed { .. } => None,
            Self::Open { since, .. }
            | Self::HalfOpen { since, .. }
            | Self::Recovering { since, .. } => Some(*since),
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl BreakerState {
    /// The state after the time until `now` has passed: a recovery may be over, a probe may be free
    /// because its caller is gone, and old calls no longer count.
    #[must_use]
    pub fn at(&self, config: &BreakerConfig, now: Timestamp) -> Self {
        let mut state = self.clone();
        state.follow_clock(now);
        if let Phase::Open { until: Some(until), by_hand: true, .. } = state.phase
            && until <= now
        {
            state.phase = Phase::recovering(until, config.recovery);
        }
        if let Phase::Recovering { until, window, .. } = &state.phase
            && *until <= now
        {
            state.round = 0;
            state.phase = Phase::Closed { window: window.clone() };
        }
        match &mut state.phase {
            Phase::Closed { window } | Phase::Recovering { window, .. } => {
                window.prune(config, now);
            }
            Phase::Open { probes, .. } | Phase::HalfOpen { probes, .. } => {
                probes.retain(|probe| probe.until > now);
            }
        }
        state
    }

    /// Whether the clock was set back by more than 5 s, which two clocks may differ. Then the caller must
    /// store the state that [`at`](Self::at) returns, because each call of `at` moves the times to `now`.
    pub fn is_ahead(&self, now: Timestamp) -> bool {
        self.ahead(now) > MAX_CLOCK_SKEW
    }

    fn ahead(&self, now: Timestamp) -> Duration {
        self.phase.since().map_or(Duration::ZERO, |since| since.since(now))
    }

    /// If the clock was set back, moves all times back with it, so that no phase lasts longer.
    fn follow_clock(&mut self, now: Timestamp) {
        if !self.is_ahead(now) {
            return;
        }
        let back = self.ahead(now);
        let shift = |at: &mut Timestamp| *at = at.saturating_sub(back);
        match &mut self.phase {
            Phase::Closed { .. } => {}
            Phase::Open { since, until, probes, .. } => {
                shift(since);
                until.iter_mut().for_each(shift);
                probes.iter_mut().for_each(|probe| shift(&mut probe.until));
            }
            Phase::HalfOpen { since, probes, .. } => {
                shift(since);
                probes.iter_mut().for_each(|probe| shift(&mut probe.until));
            }
            Phase::Recovering { since, until, window } => {
                shift(since);
                shift(until);
                window.shift(back);
            }
        }
    }

    /// Whether the probe with this id may run.
    pub fn has_probe(&self, id: &str, now: Timestamp) -> bool {
        self.phase.probes().iter().any(|probe| probe.id == id && probe.until > now)
    }

    /// The number of recent calls that failed. 0 if the breaker is open or half open.
    pub fn failures(&self) -> u32 {
        match &self.phase {
            Phase::Closed { window } | Phase::Recovering { window, .. } => window.failures(),
            Phase::Open { .. } | Phase::HalfOpen { .. } => 0,
        }
    }

    /// How long the store must keep this state. Without a stored state the breaker is closed and has no
    /// counts. `None` if the store must keep the state until it changes.
    pub fn kept_for(&self, config: &BreakerConfig, now: Timestamp) -> Option<Duration> {
        match &self.phase {
            Phase::Closed { .. } => Some(config.window * 2),
            Phase::Recovering { until, window, .. } => {
                let counts = if window.is_empty() { RECOVERED_KEPT_FOR } else { config.window * 2 };
                Some(until.since(now) + counts)
            }
            Phase::Open { until, .. } => until.map(|until| until.since(now) + UNUSED_KEPT_FOR),
            Phase::HalfOpen { .. } => Some(UNUSED_KEPT_FOR),
        }
    }
}
