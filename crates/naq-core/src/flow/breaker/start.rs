//! [`may_start`]: whether a call may start.

use std::time::Duration;

use super::{BreakerConfig, BreakerState, Phase, Probe};
use crate::clock::Timestamp;

/// The share of calls that may start at the beginning of the recovery.
const FIRST_SHARE: f64 = 0.1;
/// The shortest wait that is given.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
/// The shortest wait when all probes are taken.
const PROBES_TAKEN_WAIT: Duration = Duration::from_secs(1);
/// The bounds of the wait for a breaker that was opened by hand. It may be closed at any time, so the
/// wait is the time that it has been open, within these bounds.
const SHORTEST_CHECK: Duration = Duration::from_secs(10);
const LONGEST_CHECK: Duration = Duration::from_secs(300);

/// Whether a call may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayStart {
    /// The call may start.
    Go,
    /// The call may start as a probe, if it can still take one
    /// ([`ProbeTaken`](super::BreakerEvent::ProbeTaken)).
    Probe,
    /// The call must not start before this time, which is at least 100 ms from now. The times of many
    /// calls are spread over the recovery, so that they do not all come back at the same time.
    Wait(Timestamp),
}

/// Whether a call may start now. `share` is a random number from 0 to 1, a new one for each call: a
/// recovering breaker lets only a share of the calls start.
pub fn may_start(
    config: &BreakerConfig,
    state: &BreakerState,
    now: Timestamp,
    share: f64,
) -> MayStart {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 1.0 };
    let wait = |wait: Duration| MayStart::Wait(now + wait.max(SHORTEST_WAIT));
    let probe_or_wait = |running: &[Probe]| {
        let is_free = running.len() < config.probes as usize;
        if is_free {
            MayStart::Probe
        } else {
            wait(PROBES_TAKEN_WAIT + config.recovery.mul_f64(share))
        }
    };
    match state.at(config, now).phase {
        Phase::Closed { .. } => MayStart::Go,
        Phase::Open { until: Some(until), by_hand: false, probes, .. } if until <= now => {
            probe_or_wait(&probes)
        }
        Phase::Open { until, by_hand, since, .. } => {
            let open_so_far = now.since(since).clamp(SHORTEST_CHECK, LONGEST_CHECK);
            let check = open_so_far.mul_f64(0.5 + share / 2.0);
            let over = until.map(|until| until.since(now) + config.recovery.mul_f64(share));
            wait(match over {
                Some(over) if !by_hand => over,
                Some(over) => over.min(check),
                None => check,
            })
        }
        Phase::HalfOpen { probes, .. } => probe_or_wait(&probes),
        Phase::Recovering { since, until, .. } => {
            let span = until.since(since);
            let elapsed = now.since(since);
            let grown = elapsed.as_secs_f64() / span.as_secs_f64();
            let allowed = FIRST_SHARE + (1.0 - FIRST_SHARE) * grown;
            if share < allowed {
                return MayStart::Go;
            }
            // The calls that may not start yet are spread over the rest of the recovery.
            let rest = (share - allowed) / (1.0 - allowed);
            wait(span.saturating_sub(elapsed).mul_f64(rest.clamp(0.0, 1.0)))
        }
    }
}
