//! [`step`]: what becomes of a breaker when something happens to it.

use std::time::Duration;

use super::{BreakerConfig, BreakerEvent, BreakerState, Phase, Probe, Window};
use crate::clock::Timestamp;

/// What becomes of a breaker when `event` happens to it. What does not fit its phase changes
/// nothing but what time has changed anyway ([`BreakerState::at`]).
#[must_use]
pub fn step(
    config: &BreakerConfig,
    state: &BreakerState,
    event: &BreakerEvent,
    now: Timestamp,
) -> BreakerState {
    let mut state = state.at(config, now);
    match event {
        BreakerEvent::Counted { opened_at, calls } => {
            if *opened_at == state.opened_at {
                count(config, &mut state, calls, now);
            }
        }
        BreakerEvent::ProbeTaken { id, until } => take(config, &mut state, id, *until, now),
        BreakerEvent::ProbeEnded { id, success } => end(config, &mut state, id, *success, now),
        BreakerEvent::Open { until, reason } => {
            shut(&mut state, *until, true, reason.clone(), now);
        }
        BreakerEvent::Close => {
            if !matches!(state.phase, Phase::Closed { .. }) {
                state.phase = Phase::recovering(now, config.recovery);
            }
        }
    }
    state
}

fn count(config: &BreakerConfig, state: &mut BreakerState, calls: &Window, now: Timestamp) {
    let (Phase::Closed { window } | Phase::Recovering { window, .. }) = &mut state.phase else {
        return;
    };
    window.merge(calls);
    window.prune(config, now);
    if window.trips(config, now) {
        let reason = format!("{} of {} calls failed", window.failures(), window.calls());
        open(config, state, reason, now);
    }
}

fn take(
    config: &BreakerConfig,
    state: &mut BreakerState,
    id: &str,
    until: Timestamp,
    now: Timestamp,
) {
    if let Phase::Open { until: Some(over), by_hand: false, probes, .. } = &mut state.phase
        && *over <= now
    {
        let probes = std::mem::take(probes);
        state.phase = Phase::HalfOpen { since: now, probes, successes: 0 };
    }
    let half_open = matches!(state.phase, Phase::HalfOpen { .. });
    let (Phase::Open { probes, .. } | Phase::HalfOpen { probes, .. }) = &mut state.phase else {
        return;
    };
    if let Some(own) = probes.iter_mut().find(|probe| probe.id == id) {
        own.until = own.until.max(until);
    } else if half_open && probes.len() < config.probes as usize {
        probes.push(Probe { id: id.to_owned(), until });
    }
}

/// The end of a probe whose time was up meanwhile counts no more: its place may be taken. Neither
/// does that of one that ends while it is open again.
fn end(
    config: &BreakerConfig,
    state: &mut BreakerState,
    id: &str,
    success: Option<bool>,
    now: Timestamp,
) {
    let (Phase::Open { probes, .. } | Phase::HalfOpen { probes, .. }) = &mut state.phase else {
        return;
    };
    let Some(place) = probes.iter().position(|probe| probe.id == id) else { return };
    probes.remove(place);
    let Phase::HalfOpen { successes, .. } = &mut state.phase else { return };
    match success {
        Some(false) => open(config, state, "a probe failed".into(), now),
        Some(true) => {
            *successes = successes.saturating_add(1);
            if *successes >= config.successes {
                state.phase = Phase::recovering(now, config.recovery);
            }
        }
        None => {}
    }
}

fn open(config: &BreakerConfig, state: &mut BreakerState, reason: String, now: Timestamp) {
    state.round = state.round.saturating_add(1);
    let until = now + config.open_for_round(state.round);
    shut(state, Some(until), false, reason, now);
}

fn shut(
    state: &mut BreakerState,
    until: Option<Timestamp>,
    by_hand: bool,
    reason: String,
    now: Timestamp,
) {
    state.opened_at = Some(opening(state, now));
    let probes = state.phase.probes().to_vec();
    state.phase = Phase::Open { since: now, until, by_hand, reason, probes };
}

/// Now; but never the same moment twice.
fn opening(state: &BreakerState, now: Timestamp) -> Timestamp {
    if state.opened_at == Some(now) { now + Duration::from_millis(1) } else { now }
}
