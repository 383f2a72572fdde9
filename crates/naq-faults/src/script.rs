//! What a job's handler does, attempt by attempt, and how the job must therefore end. Written down
//! without NAQ's own retry code, so that the two can be compared.

use std::fmt;
use std::time::Duration;

use naq_core::retry::Strategy;
use naq_core::{JobState, RetryPolicy};
use serde::{Deserialize, Serialize};

/// Retries of every scripted job; [`Script::FailAlways`] uses them up.
const MAX_RETRIES: u32 = 2;
/// Deaths that a poison job needs to be given up.
pub const POISON_CRASHES: u32 = 3;
/// Deaths that every other job survives: it dies with its worker whenever a neighbour or the plan
/// kills that, and a run has far fewer deaths than this.
const INNOCENT_CRASHES: u32 = 10_000;
/// What [`Script::Snooze`] and [`Script::RetryAfter`] ask for.
const OWN_DELAY_MS: u64 = 700;
/// The error kind that no scripted job retries.
pub const IGNORED_KIND: &str = "ValueError";

/// The behaviour of one job's handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Script {
    /// Succeeds at once.
    Succeed,
    /// Fails so often, then succeeds.
    FailThenSucceed {
        /// Failures before the success, at most 2.
        failures: u32,
    },
    /// Fails until its retries are used up.
    FailAlways,
    /// Fails for good at once.
    Fatal,
    /// Fails with a kind on its `ignore_on` list.
    Ignored,
    /// Asks to be run later once, then succeeds.
    Snooze,
    /// Panics once, then succeeds.
    Panic,
    /// Fails once and names the delay itself, then succeeds.
    RetryAfter,
    /// Succeeds after a while; longer than the lease for some.
    Slow {
        /// How long.
        ms: u64,
    },
    /// The same, blocking its thread.
    Blocking {
        /// How long.
        ms: u64,
    },
    /// Aborts its process when no crash is counted yet, then succeeds.
    Crash,
    /// Aborts its process every time.
    Poison,
    /// Cancels itself.
    Cancel,
    /// Becomes due after its deadline: never runs.
    Expire,
}

/// How the delay between the attempts of a job grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// 300 ms each.
    Fixed,
    /// 200 ms, then 600 ms.
    List,
    /// 250 ms, 500 ms.
    Exponential,
    /// 200 ms, 450 ms.
    Linear,
}

/// What a handler does in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Returns without an error.
    Succeed,
    /// Returns an error that is retried.
    Fail,
    /// Returns an error that is never retried.
    Fatal,
    /// Returns an error of [`IGNORED_KIND`].
    Ignored,
    /// Asks to be run later.
    Snooze,
    /// Panics.
    Panic,
    /// Returns an error that names its delay.
    RetryAfter,
    /// Cancels the job.
    Cancel,
    /// Takes the process down.
    Abort,
}

/// One step of a job's life: an attempt, or what follows its snooze.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Step {
    /// The attempt, from 1.
    pub attempt: u32,
    /// Snoozes before it.
    pub snoozes: u32,
}

/// A step, what happens in it, and what must pass before the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scene {
    /// Which step.
    pub step: Step,
    /// What the handler does.
    pub act: Act,
    /// The least time from its end to the next step's start, in milliseconds; none for the last.
    pub wait_ms: Option<u64>,
}

/// How a job must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// Its state.
    pub state: JobState,
    /// Its last step.
    pub step: Step,
    /// The rule that ended it, for a dead job.
    pub rule: Option<&'static str>,
}

impl Step {
    /// Attempt `attempt` of a job that was never snoozed.
    pub const fn attempt(attempt: u32) -> Self {
        Self { attempt, snoozes: 0 }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt {}", self.attempt)?;
        match self.snoozes {
            0 => Ok(()),
            n => write!(f, " after {n} snoozes"),
        }
    }
}

impl Pace {
    /// Every pace.
    pub const ALL: [Self; 4] = [Self::Fixed, Self::List, Self::Exponential, Self::Linear];

    /// The delay before retry 1 and retry 2, in milliseconds.
    pub const fn delays_ms(self) -> [u64; MAX_RETRIES as usize] {
        match self {
            Self::Fixed => [300, 300],
            Self::List => [200, 600],
            Self::Exponential => [250, 500],
            Self::Linear => [200, 450],
        }
    }

    /// The same in NAQ's terms.
    fn policy(self) -> naq_core::retry::PolicyBuilder {
        let ms = Duration::from_millis;
        let policy = RetryPolicy::builder().max_retries(MAX_RETRIES);
        match self {
            Self::Fixed => policy.delay(ms(300)),
            Self::List => policy.delay([ms(200), ms(600)]),
            Self::Exponential => policy.delay(ms(250)).strategy(Strategy::Exponential),
            Self::Linear => policy.delay(ms(200)).strategy(Strategy::Linear).increment(ms(250)),
        }
    }
}

impl Script {
    /// The policy that the job is enqueued with.
    pub fn policy(self, pace: Pace) -> RetryPolicy {
        let max_crashes = if self == Self::Poison { POISON_CRASHES } else { INNOCENT_CRASHES };
        pace.policy().ignore_on([IGNORED_KIND]).max_crashes(max_crashes).build()
    }

    /// The delay that the handler asks for itself.
    pub const fn own_delay() -> Duration {
        Duration::from_millis(OWN_DELAY_MS)
    }

    /// Its steps in order. Empty for a job that never runs.
    pub fn scenes(self, pace: Pace) -> Vec<Scene> {
        let retry = |attempt: u32| Some(pace.delays_ms()[attempt as usize - 1]);
        let scene = |attempt, act, wait_ms| Scene { step: Step::attempt(attempt), act, wait_ms };
        let failing = |n| (1..=n).map(|a| scene(a, Act::Fail, retry(a))).collect::<Vec<_>>();
        let then_succeed = |first: Vec<Scene>, attempt| {
            first.into_iter().chain([scene(attempt, Act::Succeed, None)]).collect()
        };
        match self {
            Self::Succeed | Self::Slow { .. } | Self::Blocking { .. } | Self::Crash => {
                then_succeed(Vec::new(), 1)
            }
            Self::FailThenSucceed { failures } => then_succeed(failing(failures), failures + 1),
            Self::FailAlways => {
                let mut scenes = failing(MAX_RETRIES);
                scenes.push(scene(MAX_RETRIES + 1, Act::Fail, None));
                scenes
            }
            Self::Fatal => vec![scene(1, Act::Fatal, None)],
            Self::Ignored => vec![scene(1, Act::Ignored, None)],
            Self::Snooze => {
                let after = Step { attempt: 1, snoozes: 1 };
                let later = Scene { step: after, act: Act::Succeed, wait_ms: None };
                vec![scene(1, Act::Snooze, Some(OWN_DELAY_MS)), later]
            }
            Self::Panic => then_succeed(vec![scene(1, Act::Panic, retry(1))], 2),
            Self::RetryAfter => {
                then_succeed(vec![scene(1, Act::RetryAfter, Some(OWN_DELAY_MS))], 2)
            }
            Self::Poison => vec![scene(1, Act::Abort, None)],
            Self::Cancel => vec![scene(1, Act::Cancel, None)],
            Self::Expire => Vec::new(),
        }
    }

    /// What the handler does in `step`; none for a step that must not happen.
    pub fn act(self, pace: Pace, step: Step, crashes: u32) -> Option<Act> {
        if self == Self::Crash && crashes == 0 && step == Step::attempt(1) {
            return Some(Act::Abort);
        }
        self.scenes(pace).into_iter().find(|scene| scene.step == step).map(|scene| scene.act)
    }

    /// How it must end.
    pub fn ending(self, pace: Pace) -> Ending {
        let last = self.scenes(pace).last().map_or(Step::attempt(1), |scene| scene.step);
        let (state, rule) = match self {
            Self::FailAlways => (JobState::Dead, Some("max_retries")),
            Self::Fatal => (JobState::Dead, Some("fatal")),
            Self::Ignored => (JobState::Dead, Some("ignore_on")),
            Self::Poison => (JobState::Dead, Some("max_crashes")),
            Self::Cancel => (JobState::Cancelled, None),
            Self::Expire => (JobState::Expired, None),
            _ => (JobState::Completed, None),
        };
        Ending { state, step: last, rule }
    }

    /// Deaths of a worker that the script itself causes.
    pub const fn own_crashes(self) -> u32 {
        match self {
            Self::Crash => 1,
            Self::Poison => POISON_CRASHES,
            _ => 0,
        }
    }

    /// How long the handler takes.
    pub const fn takes(self) -> Duration {
        match self {
            Self::Slow { ms } | Self::Blocking { ms } => Duration::from_millis(ms),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use naq_core::retry::preview;

    use super::*;

    #[test]
    fn the_paces_are_what_the_policies_say() {
        for pace in Pace::ALL {
            let planned: Vec<_> =
                preview(&Script::Succeed.policy(pace)).map(|row| row.delay_min_ms).collect();
            assert_eq!(planned, pace.delays_ms(), "{pace:?}");
        }
    }

    #[test]
    fn a_script_tells_its_steps_and_its_end() {
        let script = Script::FailThenSucceed { failures: 2 };
        let acts: Vec<_> = script.scenes(Pace::List).iter().map(|s| (s.act, s.wait_ms)).collect();
        assert_eq!(acts, [(Act::Fail, Some(200)), (Act::Fail, Some(600)), (Act::Succeed, None)]);
        assert_eq!(script.ending(Pace::List).step, Step::attempt(3));
        assert_eq!(script.act(Pace::List, Step::attempt(4), 0), None);
    }

    #[test]
    fn a_crash_happens_once_and_poison_always() {
        let first = Step::attempt(1);
        assert_eq!(Script::Crash.act(Pace::Fixed, first, 0), Some(Act::Abort));
        assert_eq!(Script::Crash.act(Pace::Fixed, first, 1), Some(Act::Succeed));
        assert_eq!(Script::Poison.act(Pace::Fixed, first, 2), Some(Act::Abort));
    }
}
