//! [`preview`]: the delays that a policy will give, before it gives them.

use serde::Serialize;

use super::RetryPolicy;
use super::backoff::{base_delay, millis};
use super::jitter::{band, chain_start};

/// One retry, with its earliest and latest delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PreviewRow {
    /// The number of the retry, from 1.
    pub retry: u32,
    /// The number of the attempt that it starts, from 2; saturating.
    pub attempt: u32,
    /// The shortest delay before it.
    pub delay_min_ms: u64,
    /// The longest delay before it.
    pub delay_max_ms: u64,
    /// The least time from the start of the first attempt, when attempts take no time.
    pub elapsed_min_ms: u64,
    /// The most time from the start of the first attempt, when attempts take no time.
    pub elapsed_max_ms: u64,
}

/// The retries of a policy, up to exhaustion: `max_retries`, or the first that `retry_for` forbids.
///
/// Rows are computed as they are asked for; take as many as you want to see of a policy with four
/// billion retries.
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

/// The retries of a policy from number `first` (1-based) on, as [`preview`] gives them, but with the
/// time counted from just before `first`. Retry 4,000,000,000 costs what retry 1 costs.
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
    let band = move |retry, previous| band(policy.jitter, base_delay(policy, retry), previous, cap);
    // What went before matters to `Decorrelated` only, and no further back than its chain goes.
    let begin = chain_start(first);
    let mut previous =
        (begin..first).fold(base_delay(policy, begin), |previous, retry| band(retry, previous).1);
    let (mut earliest, mut latest) = (0_u64, 0_u64);
    (first..=policy.max_retries).map_while(move |retry| {
        let (low, high) = band(retry, previous);
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
