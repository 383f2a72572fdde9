//! Random numbers that are good enough to spread ids and delays.

use std::hash::{BuildHasher, RandomState};

/// The seed that std gives to its hash maps.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(())
}

/// A number from 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "a share of a span needs no more")]
pub(crate) fn random_share() -> f64 {
    random() as f64 / u64::MAX as f64
}
