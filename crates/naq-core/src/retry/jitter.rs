//! [`Jitter`]: spreads retries that failed together, by numbers that every program can compute.
//!
//! The random number of a retry is the `retry`-th output of SplitMix64 seeded with the FNV-1a hash
//! (64 bit) of the job id; see `docs/retries.md` for the algorithm and its test vectors.

use super::RetryPolicy;
use super::backoff::{base_delay, millis};
use crate::JobId;

/// How a delay `d` is spread. Never beyond the policy's `max_delay`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Jitter {
    /// Exactly `d`.
    #[default]
    None,
    /// From 0 to `d`.
    Full,
    /// From `d / 2` to `d`.
    Equal,
    /// From `d * (1 - f)` to `d`, with `f` from 0 to 1.
    Factor(f64),
    /// From `d` to three times the delay before; the first from `d` to three times `d`.
    Decorrelated,
}

/// A decorrelated delay depends on the one before, and that on the one before it. Beyond this many
/// steps back the chain starts anew, so that retry 4,000,000,000 costs what retry 256 costs.
const CHAIN_STEPS: u32 = 256;

impl Jitter {
    pub(super) const ALLOWED: &'static str =
        "use none, full, equal, decorrelated, or a factor from 0 to 1";
}

impl RetryPolicy {
    /// The exact delay that this policy gives before retry number `retry` (1-based) of this job,
    /// in whole milliseconds.
    pub fn retry_delay(&self, job_id: &JobId, retry: u32) -> std::time::Duration {
        std::time::Duration::from_millis(delay_millis(self, job_id, retry))
    }
}

pub(super) fn delay_millis(policy: &RetryPolicy, job_id: &JobId, retry: u32) -> u64 {
    let base = base_delay(policy, retry);
    match policy.jitter {
        Jitter::None => base,
        Jitter::Decorrelated => chain(policy, job_id, retry.max(1)),
        jitter => {
            let (low, high) = band(jitter, base, base, base);
            pick(random(fnv1a(job_id.as_str()), retry.max(1)), low, high)
        }
    }
}

/// The bounds, both included, of the delay whose base is `d`. `previous` is the delay before, which
/// only `Decorrelated` looks at; `d` is at most `cap`.
pub(super) fn band(jitter: Jitter, d: u64, previous: u64, cap: u64) -> (u64, u64) {
    match jitter {
        Jitter::None => (d, d),
        Jitter::Full => (0, d),
        Jitter::Equal => (d - d / 2, d),
        Jitter::Factor(f) => (d - ((d as f64 * f + 0.5).floor() as u64).min(d), d),
        Jitter::Decorrelated => (d, previous.saturating_mul(3).min(cap).max(d)),
    }
}

fn chain(policy: &RetryPolicy, job_id: &JobId, retry: u32) -> u64 {
    let (seed, cap) = (fnv1a(job_id.as_str()), millis(policy.max_delay));
    let first = chain_start(retry);
    (first..=retry).fold(base_delay(policy, first), |previous, n| {
        let (low, high) = band(Jitter::Decorrelated, base_delay(policy, n), previous, cap);
        pick(random(seed, n), low, high)
    })
}

/// The retry that the chain up to `retry` starts at.
pub(super) fn chain_start(retry: u32) -> u32 {
    retry.saturating_sub(CHAIN_STEPS - 1).max(1)
}

/// From 0 to `within`, both included; always the same for one text.
pub fn spread(text: &str, within: std::time::Duration) -> std::time::Duration {
    std::time::Duration::from_millis(pick(random(fnv1a(text), 1), 0, millis(within)))
}

/// A whole number from `low` to `high`, both included: the high word of a product.
fn pick(random: u64, low: u64, high: u64) -> u64 {
    let count = u128::from(high - low) + 1;
    low + ((u128::from(random) * count) >> 64) as u64
}

/// FNV-1a, 64 bit.
pub fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The `n`-th output of SplitMix64 (`n` from 1).
fn random(seed: u64, n: u32) -> u64 {
    let mut z = seed.wrapping_add(u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generators_are_the_published_ones() {
        // From the FNV reference tables and from Vigna's splitmix64.c with seed 1234567.
        assert_eq!(fnv1a("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a("foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(random(1_234_567, 1), 6_457_827_717_110_365_317);
        assert_eq!(random(1_234_567, 2), 3_203_168_211_198_807_973);
    }

    #[test]
    fn a_pick_reaches_both_ends_and_nothing_beyond() {
        assert_eq!(pick(0, 10, 20), 10);
        assert_eq!(pick(u64::MAX, 10, 20), 20);
        assert_eq!(pick(u64::MAX, 0, u64::MAX), u64::MAX);
        assert_eq!(pick(u64::MAX, 7, 7), 7);
    }
}
