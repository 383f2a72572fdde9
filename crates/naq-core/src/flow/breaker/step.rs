//! [`step`]: the next state of a breaker after an event.

use std::time::Duration;

use super::{BreakerConfig, BreakerEvent, BreakerState, Phase, Probe, Window};
use crate::clock::Timestamp;

/// The next state of a breaker after `event`. An event that does not fit the phase changes nothing;
/// the state is then that of [`BreakerState::at`].
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
        BreakerEvent::ProbeTaken { id, until } => take_probe(config, &mut state, id, *until, now),
        BreakerEvent::ProbeEnded { id, success } => {
            end_probe(config, &mut state, id, *success, now)
        }
        BreakerEvent::Open { until, reason } => {
            enter_open(&mut state, *until, true, reason.clone(), now);
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
    if window.opens(config, now) {
        let reason = format!("{} of {} calls failed", window.failures(), window.calls());
        open(config, state, reason, now);
    }
}

fn take_probe(
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

/// The end of a probe does not count if the time of the probe is over, because another call may have
/// taken its place. Neither does it count if the breaker has opened again meanwhile.
fn end_probe(
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
    enter_open(state, Some(until), false, reason, now);
}

fn enter_open(
    state: &mut BreakerState,
    until: Option<Timestamp>,
    by_hand: bool,
    reason: String,
    now: Timestamp,
) {
    state.opened_at = Some(new_opened_at(state, now));
    let probes = state.phase.probes().to_vec();
    state.phase = Phase::Open { since: now, until, by_hand, reason, probes };
}

/// The time of this opening. It differs from the time of the opening before, because calls name the
/// opening that they belong to by its time.
fn new_opened_at(state: &BreakerState, now: Timestamp) -> Timestamp {
    if state.opened_at == Some(now) { now + Duration::from_millis(1) } else { now }
}
