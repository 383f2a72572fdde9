//! The delay before a retry, before jitter.

use std::time::Duration;

use super::{Delay, RetryPolicy, Strategy};

/// Below a microsecond a part of a millisecond is the noise of floating point: 5 s * 1.1 is
/// 5500.000000000001 ms and means 5500.
const NOISE_MILLIS: f64 = 0.001;

/// The delay before retry number `retry` (1-based), in milliseconds, capped, without jitter.
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

/// A policy's durations are whole milliseconds and at most ten years, so this is exact.
pub(super) fn millis(d: Duration) -> u64 {
    d.as_secs().saturating_mul(1_000).saturating_add(u64::from(d.subsec_millis()))
}

/// Rounded up, so that nothing is early, but not because of noise. Saturates.
pub(super) fn whole_millis(millis: f64) -> u64 {
    (millis - NOISE_MILLIS).ceil() as u64
}

/// Zero times infinity is NaN, which casts to zero, as it should.
fn exponential(first: u64, multiplier: f64, steps: u32) -> u64 {
    whole_millis(first as f64 * power(multiplier, steps))
}

/// By squaring, with nothing but IEEE 754 multiplications: the same bits on every machine and in
/// every language, which `powi` and `powf` do not promise.
fn power(base: f64, exponent: u32) -> f64 {
    let (mut result, mut square, mut rest) = (1.0, base, exponent);
    while rest > 0 {
        if rest & 1 == 1 {
            result *= square;
        }
        square *= square;
        rest >>= 1;
    }
    result
}
