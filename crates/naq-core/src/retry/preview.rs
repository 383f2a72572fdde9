//! [`preview`]: the delays that a policy will give, before it gives them.

use serde::Serialize;

use super::RetryPolicy;
use super::backoff::{base_delay, millis};
use super::jitter::band;

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
    let cap = millis(policy.max_delay);
    let limit = policy.retry_for.map_or(u64::MAX, millis);
    let (mut previous, mut earliest, mut latest) = (base_delay(policy, 1), 0_u64, 0_u64);
    (1..=policy.max_retries).map_while(move |retry| {
        let (low, high) = band(policy.jitter, base_delay(policy, retry), previous, cap);
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
