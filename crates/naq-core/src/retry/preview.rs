//! [`preview`]: the delays that a policy gives, before any attempt has failed.

use serde::Serialize;

use super::RetryPolicy;
use super::backoff::{base_delay, millis};
use super::delay::decorrelated_start;

/// One retry of a policy, with its shortest and its longest delay in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PreviewRow {
    /// The number of the retry, from 1.
    pub retry: u32,
    /// The number of the attempt that this retry starts, from 2; saturating.
    pub attempt: u32,
    /// The shortest delay before this retry.
    pub delay_min_ms: u64,
    /// The longest delay before this retry.
    pub delay_max_ms: u64,
    /// The shortest time from the start of the first attempt, if attempts take no time.
    pub elapsed_min_ms: u64,
    /// The longest time from the start of the first attempt, if attempts take no time.
    pub elapsed_max_ms: u64,
}

/// The retries of a policy in order. The iterator ends after `max_retries`, or before the first retry
/// that `retry_for` forbids.
///
/// It computes each row when you take it, so that a policy with four billion retries costs only the
/// rows that you take.
///
/// ```
/// use naq_core::retry::{Jitter, RetryPolicy, preview};
///
/// let policy = RetryPolicy::builder().max_retries(u32::MAX).jitter(Jitter::Full).build();
/// let third = preview(&policy).nth(2).expect("many rows");
/// assert_eq!((third.delay_min_ms, third.delay_max_ms), (0, 5_000));
/// assert_eq!((third.elapsed_min_ms, third.elapsed_max_ms), (0, 15_000));
/// ```
pub fn preview(policy: &RetryPolicy) -> impl Iterator<Item = PreviewRow> + '_ {
    preview_from(policy, 1)
}

/// The retries of a policy from number `first` on, as [`preview`] gives them, but with times counted
/// from just before retry `first`. Retries are numbered from 1. Starting at retry 4,000,000,000 costs
/// as much as starting at retry 256.
///
/// ```
/// use naq_core::retry::{RetryPolicy, preview_from};
///
/// let policy = RetryPolicy::builder().max_retries(u32::MAX).build();
/// assert_eq!(preview_from(&policy, u32::MAX).map(|row| row.retry).collect::<Vec<_>>(), [u32::MAX]);
/// ```
pub fn preview_from(policy: &RetryPolicy, first: u32) -> impl Iterator<Item = PreviewRow> + '_ {
    let cap = millis(policy.max_delay);
    let limit = policy.retry_for.map_or(u64::MAX, millis);
    let first = first.max(1);
    let range =
        move |retry, previous| policy.jitter.range(base_delay(policy, retry), previous, cap);
    // Only `Decorrelated` depends on earlier retries.
    let begin = decorrelated_start(first);
    let mut previous =
        (begin..first).fold(base_delay(policy, begin), |previous, retry| range(retry, previous).1);
    let mut earliest = 0_u64;
    let mut latest = 0_u64;
    (first..=policy.max_retries).map_while(move |retry| {
        let (low, high) = range(retry, previous);
        previous = high;
        earliest = earliest.saturating_add(low);
        latest = latest.saturating_add(high).min(limit);
        (earliest <= limit).then_some(PreviewRow {
            retry,
            attempt: retry.saturating_add(1),
            delay_min_ms: low,
            delay_max_ms: high,
            elapsed_min_ms: earliest,
            elapsed_max_ms: latest,
        })
    })
}
