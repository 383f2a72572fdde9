//! The delay before a retry, before jitter.

use std::time::Duration;

use super::{Delay, RetryPolicy, Strategy};

/// A fraction of a millisecond below a microsecond is a rounding error of floating point: 5 s * 1.1
/// gives 5500.000000000001 ms and means 5500 ms.
const ROUNDING_ERROR_MILLIS: f64 = 0.001;

/// The delay before retry number `retry`, in milliseconds: at most `max_delay`, without jitter.
/// Retries are numbered from 1.
pub(super) fn base_delay(policy: &RetryPolicy, retry: u32) -> u64 {
    let steps = retry.saturating_sub(1);
    let cap = millis(policy.max_delay);
    let delay = match &policy.delay {
        Delay::List(list) => list.get(steps as usize).or(list.last()).copied().map_or(0, millis),
        Delay::Every(first) => match policy.strategy {
            Strategy::Fixed => millis(*first),
            Strategy::Linear => {
                let increment = policy.increment.map_or(0, millis);
                millis(*first).saturating_add(increment.saturating_mul(u64::from(steps)))
            }
            Strategy::Exponential => exponential(millis(*first), policy.multiplier, steps).min(cap),
        },
    };
    delay.min(cap)
}

/// Exact, because the durations of a policy are whole milliseconds and at most ten years.
pub(super) fn millis(d: Duration) -> u64 {
    d.as_secs().saturating_mul(1_000).saturating_add(u64::from(d.subsec_millis()))
}

/// Rounded up, so that no retry is early, except for a rounding error. Saturates.
pub(super) fn whole_millis(millis: f64) -> u64 {
    (millis - ROUNDING_ERROR_MILLIS).ceil() as u64
}

/// `first * multiplier ^ steps`. Zero times infinity is NaN, which casts to zero, the right answer.
fn exponential(first: u64, multiplier: f64, steps: u32) -> u64 {
    whole_millis(first as f64 * power(multiplier, steps))
}

/// Exponentiation by squaring. It uses only IEEE 754 multiplications, so that the result has the same
/// bits on every machine and in every language. `powi` and `powf` do not guarantee that.
fn power(base: f64, exponent: u32) -> f64 {
    let mut result = 1.0;
    let mut square = base;
    let mut rest = exponent;
    while rest > 0 {
        if rest & 1 == 1 {
            result *= square;
        }
        square *= square;
        rest >>= 1;
    }
    result
}
