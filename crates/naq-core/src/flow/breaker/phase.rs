//! [`BreakerState`]: where a breaker stands.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{BreakerConfig, Window};
use crate::clock::Timestamp;
use crate::flow::SKEW;

/// How long an open breaker is remembered that nobody asks any more.
const REMEMBERED: Duration = Duration::from_secs(86_400);
/// How long one is kept that is closed again.
const SPARE: Duration = Duration::from_secs(60);

/// Where a breaker stands; closed by default. Plain data: JSON, for example.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BreakerState {
    /// When it last opened; none since it was made, or forgotten. It also tells calls of different
    /// times apart, so that one which fails late does not count against the time after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// How often it has opened since it was last quite closed.
    #[serde(default)]
    pub round: u32,
    /// The rest depends on this.
    #[serde(flatten)]
    pub phase: Phase,
}

/// The phases of a breaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// All calls go.
    Closed {
        /// What became of them lately.
        #[serde(default)]
        window: Window,
    },
    /// No call goes.
    Open {
        /// Since when.
        since: Timestamp,
        /// Until when; none for until it is closed by hand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// Whether somebody opened it. Then it is not probed: it recovers when its time is over.
        #[serde(default)]
        by_hand: bool,
        /// Why.
        #[serde(default)]
        reason: String,
        /// Probes of before that still run: they count among those that may run at once.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        probes: Vec<Probe>,
    },
    /// A few calls go, as probes.
    HalfOpen {
        /// Since when.
        since: Timestamp,
        /// Those that run.
        #[serde(default)]
        probes: Vec<Probe>,
        /// How many have succeeded.
        #[serde(default)]
        successes: u32,
    },
    /// A share of the calls goes, which grows.
    Recovering {
        /// Since when.
        since: Timestamp,
        /// When all of them go.
        until: Timestamp,
        /// What became of them.
        #[serde(default)]
        window: Window,
    },
}

/// A call that finds out whether calls succeed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Whose it is.
    pub id: String,
    /// When it is free again if nobody says how it ended.
    pub until: Timestamp,
}

impl Default for Phase {
    fn default() -> Self {
        Self::Closed { window: Window::default() }
    }
}

impl Phase {
    /// Its name: `closed`, `open`, `half_open` or `recovering`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "half_open",
            Self::Recovering { .. } => "recovering",
        }
    }

    /// The probes that run.
    pub fn probes(&self) -> &[Probe] {
        match self {
            Self::Open { probes, .. } | Self::HalfOpen { probes, .. } => probes,
            Self::Closed { .. } | Self::Recovering { .. } => &[],
        }
    }

    pub(super) fn recovering(since: Timestamp, span: Duration) -> Self {
        Self::Recovering { since, until: since + span, window: Window::default() }
    }

    /// Since when it has lasted; none for closed.
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
    /// What time alone has made of it: recovered, lost a probe whose caller is gone, forgotten old
    /// failures.
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

    /// Whether the clock was set back by more than clocks differ. Then whoever keeps the state has
    /// to keep what [`at`](Self::at) makes of it: otherwise each look would begin its times anew.
    pub fn is_ahead(&self, now: Timestamp) -> bool {
        self.ahead(now) > SKEW
    }

    fn ahead(&self, now: Timestamp) -> Duration {
        self.phase.since().map_or(Duration::ZERO, |since| since.since(now))
    }

    /// A clock that was set back must not make anything last longer: all times move with it.
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

    /// Whether the probe is one of those that may run.
    pub fn has_probe(&self, id: &str, now: Timestamp) -> bool {
        self.phase.probes().iter().any(|probe| probe.id == id && probe.until > now)
    }

    /// Calls that failed lately, where that is counted.
    pub fn failures(&self) -> u32 {
        match &self.phase {
            Phase::Closed { window } | Phase::Recovering { window, .. } => window.failures(),
            Phase::Open { .. } | Phase::HalfOpen { .. } => 0,
        }
    }

    /// How long it has to be kept where it is stored: after that it is as good as new. None for
    /// ever.
    pub fn kept_for(&self, config: &BreakerConfig, now: Timestamp) -> Option<Duration> {
        match &self.phase {
            Phase::Closed { .. } => Some(config.window * 2),
            Phase::Recovering { until, window, .. } => {
                let counts = if window.is_empty() { SPARE } else { config.window * 2 };
                Some(until.since(now) + counts)
            }
            Phase::Open { until, .. } => until.map(|until| until.since(now) + REMEMBERED),
            Phase::HalfOpen { .. } => Some(REMEMBERED),
        }
    }
}
