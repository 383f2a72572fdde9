//! What a job's handler does at each attempt, and how the job must end. This does not use NAQ's own
//! retry code, so that the two can be compared.

use std::fmt;
use std::time::Duration;

use naq_core::retry::Strategy;
use naq_core::{JobState, RetryPolicy};
use serde::{Deserialize, Serialize};

/// The retries of every scripted job. [`Script::FailAlways`] uses all of them.
const MAX_RETRIES: u32 = 2;
/// The crash limit of every job, which is the default of NAQ. A poison job reaches it by itself. Any
/// other job reaches it if it runs on that many workers that die.
pub const MAX_CRASHES: u32 = 3;
/// The delay that [`Script::Snooze`] and [`Script::RetryAfter`] ask for.
const OWN_DELAY_MS: u64 = 700;
/// An error kind that no scripted job retries.
pub const IGNORED_KIND: &str = "ValueError";

/// The behaviour of a job's handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Script {
    /// Succeeds at once.
    Succeed,
    /// Fails this often, then succeeds.
    FailThenSucceed {
        /// Failures before the success, at most 2.
        failures: u32,
    },
    /// Fails at every attempt.
    FailAlways,
    /// Fails at once with an error that is never retried.
    Fatal,
    /// Fails with an error kind on its `ignore_on` list.
    Ignored,
    /// Snoozes once, then succeeds.
    Snooze,
    /// Panics once, then succeeds.
    Panic,
    /// Fails once and asks for a delay, then succeeds.
    RetryAfter,
    /// Succeeds after a time, which is longer than the lease for some jobs.
    Slow {
        /// The time in milliseconds.
        ms: u64,
    },
    /// The same, with a handler that blocks its thread.
    Blocking {
        /// The time in milliseconds.
        ms: u64,
    },
    /// Aborts its process if no crash is counted yet, then succeeds.
    Crash,
    /// Aborts its process every time.
    Poison,
    /// Cancels its own job.
    Cancel,
    /// Is due after its deadline, so it never runs.
    Expire,
}

/// The delays between the attempts of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DelayPattern {
    /// Each 300 ms.
    Fixed,
    /// 200 ms, then 600 ms.
    List,
    /// 250 ms, then 500 ms.
    Exponential,
    /// 200 ms, then 450 ms.
    Linear,
}

/// What a handler does in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandlerAct {
    /// Returns without an error.
    Succeed,
    /// Returns an error that is retried.
    Fail,
    /// Returns an error that is never retried.
    Fatal,
    /// Returns an error of [`IGNORED_KIND`].
    Ignored,
    /// Snoozes.
    Snooze,
    /// Panics.
    Panic,
    /// Returns an error that asks for a delay.
    RetryAfter,
    /// Cancels the job.
    Cancel,
    /// Aborts the process.
    Abort,
}

/// One step of a job: an attempt, or its continuation after a snooze.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ScriptStep {
    /// The attempt, from 1.
    pub attempt: u32,
    /// The snoozes before it.
    pub snoozes: u32,
}

/// A step of a script, with the wait after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepPlan {
    /// The step.
    pub step: ScriptStep,
    /// What the handler does.
    pub act: HandlerAct,
    /// The least time from its end to the start of the next step, in milliseconds; `None` for the
    /// last step.
    pub wait_ms: Option<u64>,
}

/// How a job must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedEnd {
    /// Its state.
    pub state: JobState,
    /// Its last step.
    pub step: ScriptStep,
    /// The rule that decided, for a dead job.
    pub rule: Option<&'static str>,
}

impl ScriptStep {
    /// Attempt `attempt` of a job without snoozes.
    pub const fn attempt(attempt: u32) -> Self {
        Self { attempt, snoozes: 0 }
    }
}

impl fmt::Display for ScriptStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt {}", self.attempt)?;
        match self.snoozes {
            0 => Ok(()),
            n => write!(f, " after {n} snoozes"),
        }
    }
}

impl DelayPattern {
    /// All patterns.
    pub const ALL: [Self; 4] = [Self::Fixed, Self::List, Self::Exponential, Self::Linear];

    /// The delays before retry 1 and retry 2, in milliseconds.
    pub const fn delays_ms(self) -> [u64; MAX_RETRIES as usize] {
        match self {
            Self::Fixed => [300, 300],
            Self::List => [200, 600],
            Self::Exponential => [250, 500],
            Self::Linear => [200, 450],
        }
    }

    /// The same delays as a policy of NAQ.
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
    pub fn policy(self, pace: DelayPattern) -> RetryPolicy {
        pace.policy().ignore_on([IGNORED_KIND]).max_crashes(MAX_CRASHES).build()
    }

    /// The delay that the handler asks for itself.
    pub const fn own_delay() -> Duration {
        Duration::from_millis(OWN_DELAY_MS)
    }

    /// Its steps in order. Empty for a job that never runs.
    pub fn step_plans(self, pace: DelayPattern) -> Vec<StepPlan> {
        let retry = |attempt: u32| Some(pace.delays_ms()[attempt as usize - 1]);
        let step =
            |attempt, act, wait_ms| StepPlan { step: ScriptStep::attempt(attempt), act, wait_ms };
        let failing = |n| (1..=n).map(|a| step(a, HandlerAct::Fail, retry(a))).collect::<Vec<_>>();
        let then_succeed = |first: Vec<StepPlan>, attempt| {
            first.into_iter().chain([step(attempt, HandlerAct::Succeed, None)]).collect()
        };
        match self {
            Self::Succeed | Self::Slow { .. } | Self::Blocking { .. } | Self::Crash => {
                then_succeed(Vec::new(), 1)
            }
            Self::FailThenSucceed { failures } => then_succeed(failing(failures), failures + 1),
            Self::FailAlways => {
                let mut plans = failing(MAX_RETRIES);
                plans.push(step(MAX_RETRIES + 1, HandlerAct::Fail, None));
                plans
            }
            Self::Fatal => vec![step(1, HandlerAct::Fatal, None)],
            Self::Ignored => vec![step(1, HandlerAct::Ignored, None)],
            Self::Snooze => {
                let after = ScriptStep { attempt: 1, snoozes: 1 };
                let later = StepPlan { step: after, act: HandlerAct::Succeed, wait_ms: None };
                vec![step(1, HandlerAct::Snooze, Some(OWN_DELAY_MS)), later]
            }
            Self::Panic => then_succeed(vec![step(1, HandlerAct::Panic, retry(1))], 2),
            Self::RetryAfter => {
                then_succeed(vec![step(1, HandlerAct::RetryAfter, Some(OWN_DELAY_MS))], 2)
            }
            Self::Poison => vec![step(1, HandlerAct::Abort, None)],
            Self::Cancel => vec![step(1, HandlerAct::Cancel, None)],
            Self::Expire => Vec::new(),
        }
    }

    /// The step of the script that NAQ's step is. A pause of the task counts as a snooze, too: only a
    /// script that snoozes itself, and is never paused, counts its snoozes.
    pub fn step_of(self, step: ScriptStep) -> ScriptStep {
        if self == Self::Snooze { step } else { ScriptStep { snoozes: 0, ..step } }
    }

    /// What the handler does in `step`; `None` if the script has no such step.
    pub fn act(self, pace: DelayPattern, step: ScriptStep, crashes: u32) -> Option<HandlerAct> {
        if self == Self::Crash && crashes == 0 && step == ScriptStep::attempt(1) {
            return Some(HandlerAct::Abort);
        }
        self.step_plans(pace).into_iter().find(|plan| plan.step == step).map(|plan| plan.act)
    }

    /// How the job must end.
    pub fn expected_end(self, pace: DelayPattern) -> ExpectedEnd {
        let last = self.step_plans(pace).last().map_or(ScriptStep::attempt(1), |plan| plan.step);
        let (state, rule) = match self {
            Self::FailAlways => (JobState::Dead, Some("max_retries")),
            Self::Fatal => (JobState::Dead, Some("fatal")),
            Self::Ignored => (JobState::Dead, Some("ignore_on")),
            Self::Poison => (JobState::Dead, Some("max_crashes")),
            Self::Cancel => (JobState::Cancelled, None),
            Self::Expire => (JobState::Expired, None),
            _ => (JobState::Completed, None),
        };
        ExpectedEnd { state, step: last, rule }
    }

    /// How many crashes the script itself causes.
    pub const fn own_crashes(self) -> u32 {
        match self {
            Self::Crash => 1,
            Self::Poison => MAX_CRASHES,
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
    fn the_patterns_match_the_policies() {
        for pace in DelayPattern::ALL {
            let planned: Vec<_> =
                preview(&Script::Succeed.policy(pace)).map(|row| row.delay_min_ms).collect();
            assert_eq!(planned, pace.delays_ms(), "{pace:?}");
        }
    }

    #[test]
    fn a_script_has_its_steps_and_its_end() {
        let script = Script::FailThenSucceed { failures: 2 };
        let acts: Vec<_> =
            script.step_plans(DelayPattern::List).iter().map(|s| (s.act, s.wait_ms)).collect();
        assert_eq!(
            acts,
            [
                (HandlerAct::Fail, Some(200)),
                (HandlerAct::Fail, Some(600)),
                (HandlerAct::Succeed, None)
            ]
        );
        assert_eq!(script.expected_end(DelayPattern::List).step, ScriptStep::attempt(3));
        assert_eq!(script.act(DelayPattern::List, ScriptStep::attempt(4), 0), None);
    }

    #[test]
    fn a_crash_script_aborts_once_and_poison_always() {
        let first = ScriptStep::attempt(1);
        assert_eq!(Script::Crash.act(DelayPattern::Fixed, first, 0), Some(HandlerAct::Abort));
        assert_eq!(Script::Crash.act(DelayPattern::Fixed, first, 1), Some(HandlerAct::Succeed));
        assert_eq!(Script::Poison.act(DelayPattern::Fixed, first, 2), Some(HandlerAct::Abort));
    }
}
