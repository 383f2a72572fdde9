//! Which life of a job, and how far along: what evidence is matched by.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::str::FromStr;

/// One life of a job: given at enqueue and again at requeue, so that what an earlier life left
/// behind never swallows a later one under the same id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Nonce(String);

/// A text that is no step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid step {0:?}: expected NONCE/ATTEMPT/SNOOZES")]
pub struct StepError(String);

impl Nonce {
    /// The longest nonce, in bytes.
    pub const MAX_LEN: usize = 64;

    /// A fresh one.
    pub fn random() -> Self {
        // 48 bits are enough to tell the lives of one id apart. They come from the keys of std's
        // hash maps, which are random in each process and differ each time.
        let random = RandomState::new().build_hasher().finish() & 0xffff_ffff_ffff;
        Self(format!("{random:012x}"))
    }

    /// For a message that came without one: its sequence in its stream.
    pub fn from_sequence(seq: u64) -> Self {
        Self(format!("s{seq}"))
    }

    /// For the life that a requeue of the dead letter with this sequence begins. Not random, so
    /// that a requeue that is repeated after a crash begins the same life, not a second one.
    pub fn from_requeue(dead_seq: u64) -> Self {
        Self(format!("r{dead_seq}"))
    }

    /// For the run that a tick of a schedule makes. Not random, so that a tick that is repeated after
    /// a crash makes the same run, not a second one.
    #[cfg(feature = "schedules")]
    pub fn from_tick(tick: crate::clock::Timestamp) -> Self {
        Self(format!("t{}", tick.as_millis()))
    }

    /// Checks a nonce from the wire.
    ///
    /// # Errors
    /// [`StepError`] when it is not 1 to 64 letters, digits or `-`.
    pub fn parse(text: &str) -> Result<Self, StepError> {
        let fits = (1..=Self::MAX_LEN).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(StepError(text.chars().take(80).collect()))
        }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a life stands: the attempt that its message is for, and how often it was snoozed. The
/// header `Naq-Step` carries it on every message that NAQ writes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Step {
    /// Which life.
    pub nonce: Nonce,
    /// The attempt that the message is for, 1-based.
    pub attempt: u32,
    /// Snoozes so far.
    pub snoozes: u32,
}

impl Step {
    /// Whether this step lies behind `other` in the same life.
    pub fn is_before(&self, other: &Self) -> bool {
        self.nonce == other.nonce && (self.attempt, self.snoozes) < (other.attempt, other.snoozes)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.nonce, self.attempt, self.snoozes)
    }
}

impl FromStr for Step {
    type Err = StepError;

    fn from_str(s: &str) -> Result<Self, StepError> {
        let bad = || StepError(s.chars().take(80).collect());
        let mut parts = s.split('/');
        let (Some(nonce), Some(attempt), Some(snoozes), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad());
        };
        Ok(Self {
            nonce: Nonce::parse(nonce)?,
            attempt: attempt.parse().map_err(|_| bad())?,
            snoozes: snoozes.parse().map_err(|_| bad())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_round_trips_and_orders_within_one_life_only() {
        let step = |s: &str| s.parse::<Step>().expect("a step");
        assert_eq!(step("a1/2/3").to_string(), "a1/2/3");
        assert!(step("a/1/0").is_before(&step("a/2/0")));
        assert!(step("a/1/0").is_before(&step("a/1/1")));
        assert!(!step("a/2/0").is_before(&step("a/2/0")));
        assert!(!step("a/1/0").is_before(&step("b/2/0")));
    }

    #[test]
    fn malformed_steps_are_refused() {
        for bad in ["", "a", "a/1", "a/1/2/3", "/1/1", "a/x/1", "a b/1/1", "a/-1/0"] {
            assert!(bad.parse::<Step>().is_err(), "{bad}");
        }
    }
}
