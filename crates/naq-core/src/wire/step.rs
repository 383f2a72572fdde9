//! [`Step`]: a life of a job, named by its [`Nonce`], and how far it is. Messages of one job are compared
//! by their steps.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::str::FromStr;

use crate::clock::Timestamp;

/// The name of one life of a job. A job gets it at its enqueue and a new one at each requeue, so that
/// messages of an earlier life never count as messages of a later one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Nonce(String);

/// A text is not a valid step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid step {0:?}: expected NONCE/ATTEMPT/SNOOZES")]
pub struct StepError(String);

impl Nonce {
    /// The longest nonce, in bytes.
    pub const MAX_LEN: usize = 64;

    /// A random nonce.
    pub fn random() -> Self {
        // 48 bits are enough to tell the lives of one id apart. They come from the keys of the hash
        // maps in std, which are random and differ at each call.
        let random = RandomState::new().build_hasher().finish() & 0xffff_ffff_ffff;
        Self(format!("{random:012x}"))
    }

    /// The nonce of a message that has none: made from its sequence in the stream, and from the time at
    /// which the broker stored it. A stream that was removed and made again gives its sequences again.
    pub fn of_message(seq: u64, stored_at: Timestamp) -> Self {
        Self(format!("s{seq}-{}", stored_at.as_millis()))
    }

    /// The nonce of the life that a requeue of this dead letter begins, made from the letter's sequence and
    /// time. It is not random: a requeue that is repeated after a crash begins the same life again.
    pub fn of_requeue(dead_seq: u64, stored_at: Timestamp) -> Self {
        Self(format!("r{dead_seq}-{}", stored_at.as_millis()))
    }

    /// As [`of_message`](Self::of_message) in earlier releases, without the time.
    pub fn from_sequence(seq: u64) -> Self {
        Self(format!("s{seq}"))
    }

    /// As [`of_requeue`](Self::of_requeue) in earlier releases, without the time.
    pub fn from_requeue(dead_seq: u64) -> Self {
        Self(format!("r{dead_seq}"))
    }

    /// The nonce of the run that a schedule makes for this tick. It is not random: a tick that is
    /// repeated after a crash makes the same run again.
    #[cfg(feature = "schedules")]
    pub fn from_tick(tick: Timestamp) -> Self {
        Self(format!("t{}", tick.as_millis()))
    }

    /// Checks a nonce from the wire.
    ///
    /// # Errors
    /// [`StepError`] if it is not 1 to 64 letters, digits or `-`.
    pub fn parse(text: &str) -> Result<Self, StepError> {
        let fits = (1..=Self::MAX_LEN).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(StepError(text.chars().take(80).collect()))
        }
    }

    /// The nonce as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a life of a job is: the attempt that its message is for, and how often it was snoozed. Every
/// message that NAQ writes has it in the header `Naq-Step`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Step {
    /// The life.
    pub nonce: Nonce,
    /// The attempt that the message is for, from 1.
    pub attempt: u32,
    /// How often this life was snoozed or held back.
    pub snoozes: u32,
}

impl Step {
    /// Whether this step is earlier than `other`. Steps of different lives do not compare: `false`.
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
    fn a_sequence_that_comes_again_names_another_life() {
        let at = Timestamp::from_millis;
        assert_ne!(Nonce::of_message(1, at(1_000)), Nonce::of_message(1, at(1_001)));
        assert_ne!(Nonce::of_requeue(1, at(1_000)), Nonce::of_requeue(1, at(1_001)));
        let longest = Nonce::of_requeue(u64::MAX, at(u64::MAX));
        assert_eq!(Nonce::parse(longest.as_str()), Ok(longest));
    }

    #[test]
    fn malformed_steps_are_refused() {
        for bad in ["", "a", "a/1", "a/1/2/3", "/1/1", "a/x/1", "a b/1/1", "a/-1/0"] {
            assert!(bad.parse::<Step>().is_err(), "{bad}");
        }
    }
}
