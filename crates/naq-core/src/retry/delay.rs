//! The exact delay before a retry: the backoff, then the jitter.

use std::time::Duration;

use super::backoff::{base_delay, millis};
use super::random::{fnv1a, pick, random};
use super::{Jitter, RetryPolicy};
use crate::JobId;

/// A decorrelated delay depends on the previous one, and that one on the one before it. The
/// computation starts at most this many retries back, so that retry 4,000,000,000 costs as much as
/// retry 256.
const MAX_STEPS_BACK: u32 = 256;

impl RetryPolicy {
    /// The exact delay, in whole milliseconds, that this policy gives before retry number `retry`
    /// of this job. Retries are numbered from 1.
    pub fn retry_delay(&self, job_id: &JobId, retry: u32) -> Duration {
        Duration::from_millis(delay_millis(self, job_id, retry))
    }
}

pub(super) fn delay_millis(policy: &RetryPolicy, job_id: &JobId, retry: u32) -> u64 {
    let base = base_delay(policy, retry);
    match policy.jitter {
        Jitter::None => base,
        Jitter::Decorrelated => decorrelated(policy, job_id, retry.max(1)),
        jitter => {
            let (low, high) = jitter.range(base, base, base);
            pick(random(fnv1a(job_id.as_str()), retry.max(1)), low, high)
        }
    }
}

fn decorrelated(policy: &RetryPolicy, job_id: &JobId, retry: u32) -> u64 {
    let seed = fnv1a(job_id.as_str());
    let cap = millis(policy.max_delay);
    let first = decorrelated_start(retry);
    (first..=retry).fold(base_delay(policy, first), |previous, n| {
        let (low, high) = Jitter::Decorrelated.range(base_delay(policy, n), previous, cap);
        pick(random(seed, n), low, high)
    })
}

/// The retry at which the computation of the decorrelated delay of `retry` starts.
pub(super) fn decorrelated_start(retry: u32) -> u32 {
    retry.saturating_sub(MAX_STEPS_BACK - 1).max(1)
}
