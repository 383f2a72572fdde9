//! The presets: policies that have a name.

use std::time::Duration;

use super::{Delay, RetryPolicy, Strategy};
use crate::ErrorKind;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

impl RetryPolicy {
    /// The names of the presets. The text form accepts each in place of `STRATEGY:DELAY`.
    pub const PRESETS: &'static [&'static str] =
        &["conservative", "aggressive", "selective", "none"];

    /// The default, for most jobs: 3 retries with 5 s before each.
    pub fn conservative() -> Self {
        let delay = Delay::Every(Self::DEFAULT_DELAY);
        Self {
            max_retries: Self::DEFAULT_MAX_RETRIES,
            max_delay: Self::default_max_delay(&delay),
            delay,
            strategy: Strategy::Fixed,
            increment: None,
            multiplier: Self::DEFAULT_MULTIPLIER,
            jitter: super::Jitter::None,
            retry_on: Vec::new(),
            ignore_on: Vec::new(),
            retry_for: None,
            max_crashes: Self::DEFAULT_MAX_CRASHES,
        }
    }

    /// For critical operations: 5 retries, after 1, 2, 4, 8 and 16 s.
    pub fn aggressive() -> Self {
        Self::builder()
            .max_retries(5)
            .delay([secs(1), secs(2), secs(4), secs(8), secs(16)])
            .strategy(Strategy::Exponential)
            .build()
    }

    /// For calls to other services: 3 retries with 10 s before each. It retries only error kinds that
    /// may be temporary: connection, timeout and HTTP errors.
    pub fn selective() -> Self {
        Self::builder()
            .delay(secs(10))
            .retry_on([ErrorKind::CONNECTION, ErrorKind::TIMEOUT, ErrorKind::HTTP])
            .ignore_on([ErrorKind::VALUE, ErrorKind::AUTHENTICATION, ErrorKind::PERMISSION])
            .build()
    }

    /// No retries.
    pub fn none() -> Self {
        Self::builder().max_retries(0).build()
    }

    /// The preset with this name; `None` if there is none.
    pub fn preset(name: &str) -> Option<Self> {
        match name {
            "conservative" => Some(Self::conservative()),
            "aggressive" => Some(Self::aggressive()),
            "selective" => Some(Self::selective()),
            "none" => Some(Self::none()),
            _ => None,
        }
    }
}

/// So that a call takes a policy or a reference to one.
impl From<&RetryPolicy> for RetryPolicy {
    fn from(policy: &RetryPolicy) -> Self {
        policy.clone()
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::conservative()
    }
}
