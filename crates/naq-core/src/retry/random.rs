//! Random numbers that every program can compute: no generator has a state.
//!
//! The random number of a retry is the `retry`-th output of SplitMix64, seeded with the 64-bit FNV-1a
//! hash of the job id.

use std::time::Duration;

use super::backoff::millis;

/// A duration from 0 to `within`, both included, in whole milliseconds. The same text always gives
/// the same duration.
pub fn spread(text: &str, within: Duration) -> Duration {
    Duration::from_millis(pick(random(fnv1a(text), 1), 0, millis(within)))
}

/// The 64-bit FNV-1a hash of the text, as in the FNV reference (Fowler, Noll, Vo).
pub fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The `n`-th output of SplitMix64 (Vigna, splitmix64.c), counted from 1.
pub(super) fn random(seed: u64, n: u32) -> u64 {
    let mut z = seed.wrapping_add(u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A whole number from `low` to `high`, both included: the high word of `random * count`.
pub(super) fn pick(random: u64, low: u64, high: u64) -> u64 {
    let count = u128::from(high - low) + 1;
    low + ((u128::from(random) * count) >> 64) as u64
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
