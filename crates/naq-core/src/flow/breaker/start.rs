//! [`may_start`]: whether a call may start.

use std::time::Duration;

use super::{BreakerConfig, BreakerState, Phase, Probe};
use crate::clock::Timestamp;

/// The share of calls that goes when the recovery begins.
const FIRST_SHARE: f64 = 0.1;
/// Nobody is asked to come back sooner.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
/// How soon one that found all probes taken looks again, at the earliest.
const PROBED: Duration = Duration::from_secs(1);
/// Bounds of the wait for one that was opened by hand, which may be closed so at any moment:
/// as long as it has been open, within these.
const LOOK: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));

/// Whether a call may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayStart {
    /// It may.
    Go,
    /// As a probe, if that can still be taken ([`ProbeTaken`](super::BreakerEvent::ProbeTaken)).
    Probe,
    /// Not before then. Later than now by 100 ms at least; the times of many are spread over the
    /// recovery, so that they do not come back at one instant.
    Wait(Timestamp),
}

/// Whether a call may start now. `share` is a random number from 0 up to 1, another one for each
/// call: of a breaker that recovers only a share of the calls goes.
pub fn may_start(
    config: &BreakerConfig,
    state: &BreakerState,
    now: Timestamp,
    share: f64,
) -> MayStart {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 1.0 };
    let wait = |wait: Duration| MayStart::Wait(now + wait.max(SHORTEST_WAIT));
    let probed = |running: &[Probe]| {
        let room = running.len() < config.probes as usize;
        if room { MayStart::Probe } else { wait(PROBED + config.recovery.mul_f64(share)) }
    };
    match state.at(config, now).phase {
        Phase::Closed { .. } => MayStart::Go,
        Phase::Open { until: Some(until), by_hand: false, probes, .. } if until <= now => {
            probed(&probes)
        }
        Phase::Open { until, by_hand, since, .. } => {
            let look = now.since(since).clamp(LOOK.0, LOOK.1).mul_f64(0.5 + share / 2.0);
            let over = until.map(|until| until.since(now) + config.recovery.mul_f64(share));
            wait(match over {
                Some(over) if !by_hand => over,
                Some(over) => over.min(look),
                None => look,
            })
        }
        Phase::HalfOpen { probes, .. } => probed(&probes),
        Phase::Recovering { since, until, .. } => {
            let (span, gone) = (until.since(since), now.since(since));
            let grown = gone.as_secs_f64() / span.as_secs_f64();
            let allowed = FIRST_SHARE + (1.0 - FIRST_SHARE) * grown;
            if share < allowed {
                return MayStart::Go;
            }
            // The rest of the shares, over the rest of the span.
            let rest = (share - allowed) / (1.0 - allowed);
            wait(span.saturating_sub(gone).mul_f64(rest.clamp(0.0, 1.0)))
        }
    }
}
