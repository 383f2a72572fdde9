//! [`PolicyBuilder`]: the only code that checks a policy.

use std::time::Duration;

use super::duration::CompactDuration;
use super::{Delay, Jitter, PolicyError, RetryPolicy, Strategy};
use crate::ErrorKind;
use crate::clock::millis_up;

/// Builds a [`RetryPolicy`]. Each setter takes and returns the builder. A setting that you do not set
/// keeps the value of the policy that the builder started from.
#[derive(Debug, Clone, Default)]
pub struct PolicyBuilder {
    policy: RetryPolicy,
    /// `None` for the default, which depends on `delay`.
    max_delay: Option<Duration>,
}

impl RetryPolicy {
    /// A builder that starts from the default policy.
    pub fn builder() -> PolicyBuilder {
        PolicyBuilder::default()
    }

    /// A builder that starts from this policy.
    pub fn to_builder(&self) -> PolicyBuilder {
        PolicyBuilder::from(self.clone())
    }
}

impl From<RetryPolicy> for PolicyBuilder {
    fn from(policy: RetryPolicy) -> Self {
        let given = policy.max_delay != RetryPolicy::default_max_delay(&policy.delay);
        Self { max_delay: given.then_some(policy.max_delay), policy }
    }
}

impl PolicyBuilder {
    /// The most attempts after the first one: 3 by default, 0 for no retries.
    #[must_use]
    pub fn max_retries(mut self, n: u32) -> Self {
        self.policy.max_retries = n;
        self
    }

    /// The wait before a retry, 5 s by default. Or a list of waits, one for each retry, of which the
    /// last one repeats. A list wins over the strategy.
    #[must_use]
    #[doc(alias = "retry_delay")]
    pub fn delay(mut self, delay: impl Into<Delay>) -> Self {
        self.policy.delay = delay.into();
        self
    }

    /// How the delay grows; [`Strategy::Fixed`] by default. This drops an increment or a multiplier
    /// that was set before and belongs to another strategy.
    #[must_use]
    #[doc(alias = "retry_strategy")]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        if strategy != Strategy::Linear {
            self.policy.increment = None;
        }
        if strategy != Strategy::Exponential {
            self.policy.multiplier = RetryPolicy::DEFAULT_MULTIPLIER;
        }
        self.policy.strategy = strategy;
        self
    }

    /// What [`Strategy::Linear`] adds with each retry; nothing by default.
    #[must_use]
    #[doc(alias = "retry_increment")]
    pub fn increment(mut self, increment: Duration) -> Self {
        self.policy.increment = Some(increment);
        self
    }

    /// What [`Strategy::Exponential`] multiplies the delay by with each retry: from 1 to
    /// [`RetryPolicy::MAX_MULTIPLIER`], 2 by default.
    #[must_use]
    #[doc(alias = "retry_multiplier")]
    pub fn multiplier(mut self, multiplier: f64) -> Self {
        self.policy.multiplier = multiplier;
        self
    }

    /// The longest delay, jitter included; see [`RetryPolicy::max_delay`] for the default.
    #[must_use]
    pub fn max_delay(mut self, max_delay: Duration) -> Self {
        self.max_delay = Some(max_delay);
        self
    }

    /// How delays are spread; [`Jitter::None`] by default.
    #[must_use]
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.policy.jitter = jitter;
        self
    }

    /// Retry only these error kinds and the kinds below them. The default, an empty list, means all.
    ///
    /// # Panics
    /// If a kind is given as text that is not an error kind.
    #[must_use]
    pub fn retry_on(mut self, kinds: impl IntoIterator<Item = impl Into<ErrorKind>>) -> Self {
        self.policy.retry_on = kinds.into_iter().map(Into::into).collect();
        self
    }

    /// Never retry these error kinds and the kinds below them, even if `retry_on` names them; none by
    /// default.
    ///
    /// # Panics
    /// If a kind is given as text that is not an error kind.
    #[must_use]
    pub fn ignore_on(mut self, kinds: impl IntoIterator<Item = impl Into<ErrorKind>>) -> Self {
        self.policy.ignore_on = kinds.into_iter().map(Into::into).collect();
        self
    }

    /// Make no retry that would start later than this after the start of the first attempt; no limit
    /// by default.
    #[must_use]
    pub fn retry_for(mut self, retry_for: Duration) -> Self {
        self.policy.retry_for = Some(retry_for);
        self
    }

    /// How many crashes of a worker make the job poison; 3 by default, at least 1.
    #[must_use]
    pub fn max_crashes(mut self, n: u32) -> Self {
        self.policy.max_crashes = n;
        self
    }

    /// The policy, checked. Use [`PolicyBuilder::try_build`] for settings that come from outside of
    /// the program.
    ///
    /// # Panics
    /// If a setting is invalid, for example a multiplier below 1.
    pub fn build(self) -> RetryPolicy {
        self.try_build().unwrap_or_else(|err| panic!("{err}"))
    }

    /// The policy, checked, with its durations rounded up to whole milliseconds.
    ///
    /// # Errors
    /// [`PolicyError`] names the first invalid setting and says what is allowed.
    pub fn try_build(self) -> Result<RetryPolicy, PolicyError> {
        let Self { mut policy, max_delay } = self;
        policy.delay = checked_delay(policy.delay)?;
        if let Delay::List(list) = &policy.delay
            && let &[only] = list.as_slice()
        {
            // A list wins over the strategy and its last entry repeats, so this is a fixed delay.
            policy.delay = Delay::Every(only);
            policy.strategy = Strategy::Fixed;
            policy.increment = None;
            policy.multiplier = RetryPolicy::DEFAULT_MULTIPLIER;
        }
        policy.increment = policy.increment.map(|d| checked("increment", d)).transpose()?;
        policy.retry_for = policy.retry_for.map(|d| non_zero("retry_for", d)).transpose()?;
        policy.max_delay = match max_delay {
            Some(max) => non_zero("max_delay", max)?,
            None => RetryPolicy::default_max_delay(&policy.delay),
        };
        policy.multiplier = checked_multiplier(policy.multiplier)?;
        policy.jitter = checked_jitter(policy.jitter)?;
        policy.retry_on = checked_kinds("retry_on", policy.retry_on)?;
        policy.ignore_on = checked_kinds("ignore_on", policy.ignore_on)?;
        if policy.max_crashes == 0 {
            let allowed = "use at least 1: the number of crashes that make the job dead";
            return Err(PolicyError::invalid("max_crashes", 0, allowed));
        }
        check_every_setting_has_effect(&policy)?;
        Ok(policy)
    }
}

fn checked(key: &'static str, d: Duration) -> Result<Duration, PolicyError> {
    if d > RetryPolicy::MAX_DURATION {
        let allowed = format!("use at most {}", CompactDuration(RetryPolicy::MAX_DURATION));
        return Err(PolicyError::invalid(key, CompactDuration(d), allowed));
    }
    Ok(Duration::from_millis(millis_up(d)))
}

/// Zero is refused: some readers take it for "no limit", others for "none at all".
fn non_zero(key: &'static str, d: Duration) -> Result<Duration, PolicyError> {
    if d.is_zero() {
        return Err(PolicyError::invalid(key, "0s", "use more than zero, or leave it out"));
    }
    checked(key, d)
}

fn checked_delay(delay: Delay) -> Result<Delay, PolicyError> {
    match delay {
        Delay::Every(d) => checked("delay", d).map(Delay::Every),
        Delay::List(list) if list.is_empty() || list.len() > RetryPolicy::MAX_DELAYS => {
            let allowed = format!("use 1 to {}", RetryPolicy::MAX_DELAYS);
            Err(PolicyError::invalid("delay", format_args!("{} delays", list.len()), allowed))
        }
        Delay::List(list) => {
            list.into_iter().map(|d| checked("delay", d)).collect::<Result<_, _>>().map(Delay::List)
        }
    }
}

fn checked_multiplier(m: f64) -> Result<f64, PolicyError> {
    if (1.0..=RetryPolicy::MAX_MULTIPLIER).contains(&m) {
        return Ok(m);
    }
    let allowed = format!("use a number from 1 to {}", RetryPolicy::MAX_MULTIPLIER);
    Err(PolicyError::invalid("multiplier", m, allowed))
}

fn checked_jitter(jitter: Jitter) -> Result<Jitter, PolicyError> {
    match jitter {
        Jitter::Factor(f) if !(0.0..=1.0).contains(&f) => {
            Err(PolicyError::invalid("jitter", f, Jitter::ALLOWED))
        }
        _ => Ok(jitter),
    }
}

fn checked_kinds(key: &'static str, kinds: Vec<ErrorKind>) -> Result<Vec<ErrorKind>, PolicyError> {
    let mut distinct: Vec<ErrorKind> = Vec::new();
    for kind in kinds {
        if distinct.contains(&kind) {
            continue;
        }
        if distinct.len() == RetryPolicy::MAX_KINDS {
            let allowed = format!("use at most {} kinds", RetryPolicy::MAX_KINDS);
            return Err(PolicyError::invalid(key, "a longer list", allowed));
        }
        distinct.push(kind);
    }
    Ok(distinct)
}

/// A setting that only another strategy reads is most likely a mistake.
fn check_every_setting_has_effect(policy: &RetryPolicy) -> Result<(), PolicyError> {
    let given = policy.strategy.as_str();
    if policy.increment.is_some() && policy.strategy != Strategy::Linear {
        return Err(PolicyError::NoEffect { key: "increment", given, needed: "linear" });
    }
    if policy.multiplier != RetryPolicy::DEFAULT_MULTIPLIER
        && policy.strategy != Strategy::Exponential
    {
        return Err(PolicyError::NoEffect { key: "multiplier", given, needed: "exponential" });
    }
    Ok(())
}
