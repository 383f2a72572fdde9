//! [`RetryPolicy`]: when NAQ retries a failed attempt, as plain data.

use std::time::Duration;

use super::Jitter;
use crate::ErrorKind;

/// When a failed attempt is retried, and when it is not.
///
/// A policy is always valid. It comes from [`RetryPolicy::builder`], from text
/// (`"exponential:2s,max_retries=5".parse()`), or from the wire, and each of these checks it. All
/// durations are whole milliseconds, rounded up. The default is [`RetryPolicy::conservative`].
///
/// ```
/// use naq_core::retry::{RetryPolicy, Strategy};
/// use std::time::Duration;
///
/// let policy = RetryPolicy::builder()
///     .max_retries(4)
///     .delay(Duration::from_secs(2))
///     .strategy(Strategy::Exponential)
///     .retry_on(["ConnectionError", "TimeoutError"])
///     .build();
/// assert_eq!(policy.max_attempts(), 5);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    pub(super) max_retries: u32,
    pub(super) delay: Delay,
    pub(super) strategy: Strategy,
    pub(super) increment: Option<Duration>,
    pub(super) multiplier: f64,
    pub(super) max_delay: Duration,
    pub(super) jitter: Jitter,
    pub(super) retry_on: Vec<ErrorKind>,
    pub(super) ignore_on: Vec<ErrorKind>,
    pub(super) retry_for: Option<Duration>,
    pub(super) max_crashes: u32,
}

/// The wait before a retry; the strategy starts from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delay {
    /// One delay for all retries; the strategy may make it grow.
    Every(Duration),
    /// One delay for each retry; the last one repeats. With a list, the strategy has no effect. The builder
    /// turns a list of one into a fixed delay.
    List(Vec<Duration>),
}

/// How the delay grows from retry to retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Strategy {
    /// Always `delay`.
    #[default]
    Fixed,
    /// `delay + increment * (retry - 1)`. Without an increment it is the same as `Fixed`.
    Linear,
    /// `delay * multiplier ^ (retry - 1)`.
    Exponential,
}

impl RetryPolicy {
    /// The most delays in a list. Every message of the job contains the policy, so it must be
    /// small. Use a strategy for a longer series.
    pub const MAX_DELAYS: usize = 100;

    /// The most kinds in `retry_on`, and in `ignore_on`. Every message of the job contains the policy,
    /// and each failure is compared with each kind; a parent kind covers everything below it.
    pub const MAX_KINDS: usize = 32;

    /// The longest duration in a policy: ten years. It bounds how long a broker
    /// stores a message, and keeps all sums of milliseconds exact.
    pub const MAX_DURATION: Duration = Duration::from_secs(3_650 * 86_400);

    /// The largest multiplier. A larger one is most likely a mistake in the unit: 1000 already turns
    /// a second into eleven days in two retries.
    pub const MAX_MULTIPLIER: f64 = 1_000.0;

    /// The longest text form, in bytes: room for the longest valid policy.
    pub const MAX_TEXT_LEN: usize = 16 * 1024;

    pub(super) const DEFAULT_MAX_RETRIES: u32 = 3;
    pub(super) const DEFAULT_DELAY: Duration = Duration::from_secs(5);
    pub(super) const DEFAULT_MULTIPLIER: f64 = 2.0;
    pub(super) const DEFAULT_MAX_CRASHES: u32 = 3;
    const DEFAULT_MAX_DELAY: Duration = Duration::from_secs(86_400);

    /// The names of the settings in the text form, in the order in which they are written.
    pub(super) const KEYS: [&str; 9] = [
        "max_retries",
        "increment",
        "multiplier",
        "max_delay",
        "jitter",
        "retry_on",
        "ignore_on",
        "retry_for",
        "max_crashes",
    ];

    /// The most attempts after the first one; 3 by default.
    pub fn max_retries(&self) -> u32 {
        self.max_retries
    }

    /// The most attempts, with the first one: `max_retries + 1`, saturating.
    pub fn max_attempts(&self) -> u32 {
        self.max_retries.saturating_add(1)
    }

    /// The delay that the strategy starts from, or one delay for each retry; 5 s by default.
    pub fn delay(&self) -> &Delay {
        &self.delay
    }

    /// How the delay grows; [`Strategy::Fixed`] by default.
    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// What [`Strategy::Linear`] adds with each retry; nothing by default.
    pub fn increment(&self) -> Option<Duration> {
        self.increment
    }

    /// What [`Strategy::Exponential`] multiplies the delay by with each retry; 2 by default.
    pub fn multiplier(&self) -> f64 {
        self.multiplier
    }

    /// The longest delay of this policy, jitter included. The default is one day, or the longest
    /// delay that `delay` names if that is more: NAQ does not cut a delay that you wrote out.
    pub fn max_delay(&self) -> Duration {
        self.max_delay
    }

    /// How delays are spread; [`Jitter::None`] by default.
    pub fn jitter(&self) -> Jitter {
        self.jitter
    }

    /// The error kinds that are retried. An empty list, which is the default, means all.
    pub fn retry_on(&self) -> &[ErrorKind] {
        &self.retry_on
    }

    /// The error kinds that are never retried, even if `retry_on` names them; none by default.
    pub fn ignore_on(&self) -> &[ErrorKind] {
        &self.ignore_on
    }

    /// The latest start of a retry, as a time after the start of the first attempt; no limit by
    /// default.
    pub fn retry_for(&self) -> Option<Duration> {
        self.retry_for
    }

    /// How many crashes of a worker make the job poison; 3 by default, at least 1.
    pub fn max_crashes(&self) -> u32 {
        self.max_crashes
    }

    /// The `max_delay` of a policy that does not set one.
    pub(super) fn default_max_delay(delay: &Delay) -> Duration {
        delay.as_slice().iter().copied().fold(Self::DEFAULT_MAX_DELAY, Duration::max)
    }
}

impl Delay {
    /// The delays as a slice: one, or the list.
    pub fn as_slice(&self) -> &[Duration] {
        match self {
            Self::Every(delay) => std::slice::from_ref(delay),
            Self::List(delays) => delays,
        }
    }
}

impl From<Duration> for Delay {
    fn from(delay: Duration) -> Self {
        Self::Every(delay)
    }
}

impl From<Vec<Duration>> for Delay {
    fn from(delays: Vec<Duration>) -> Self {
        Self::List(delays)
    }
}

impl From<&[Duration]> for Delay {
    fn from(delays: &[Duration]) -> Self {
        Self::List(delays.to_vec())
    }
}

impl<const N: usize> From<[Duration; N]> for Delay {
    fn from(delays: [Duration; N]) -> Self {
        Self::List(delays.into())
    }
}

impl Strategy {
    /// Every strategy, for help texts and completions.
    pub const ALL: &'static [Self] = &[Self::Fixed, Self::Linear, Self::Exponential];

    /// The name of the strategy: `fixed`, `linear` or `exponential`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Linear => "linear",
            Self::Exponential => "exponential",
        }
    }
}
