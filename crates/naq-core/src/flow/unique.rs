//! A key that at most one job may hold.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::names::StateKey;
use crate::transport::{Evidence, Place};
use crate::wire::{Nonce, Step};

/// The longest key, in bytes.
pub const MAX_UNIQUE_KEY: usize = 128;

/// What makes a job the only one of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unique {
    /// The key: at most one job holds it, over all queues.
    pub key: String,
    /// How long it is held.
    pub scope: UniqueScope,
}

/// How long a job holds its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UniqueScope {
    /// Until its first attempt starts.
    UntilStarted,
    /// Until it has ended, retries included.
    UntilFinished,
    /// For so many milliseconds since it was enqueued, whatever becomes of it; brokers round up to
    /// whole seconds.
    ForMillis(u64),
}

impl Unique {
    /// Held until the job has ended, which is the default.
    pub fn until_finished(key: impl Into<String>) -> Self {
        Self { key: key.into(), scope: UniqueScope::UntilFinished }
    }

    /// Held until the job's first attempt starts: whoever enqueues while it runs gets another one.
    pub fn until_started(key: impl Into<String>) -> Self {
        Self { key: key.into(), scope: UniqueScope::UntilStarted }
    }

    /// Held for this long, also when the job has ended before: at most one job in that time.
    pub fn for_time(key: impl Into<String>, time: Duration) -> Self {
        let scope = UniqueScope::ForMillis(crate::clock::millis_up(time));
        Self { key: key.into(), scope }
    }

    /// What is wrong with it, if anything is.
    pub fn check(&self) -> Result<(), String> {
        let Self { key, scope } = self;
        if key.is_empty() || key.len() > MAX_UNIQUE_KEY {
            let start: String = key.chars().take(40).collect();
            return Err(format!("unique key {start:?}: use 1 to {MAX_UNIQUE_KEY} bytes"));
        }
        match scope {
            UniqueScope::ForMillis(0) => {
                Err(format!("unique key {key:?}: held for no time at all"))
            }
            _ => Ok(()),
        }
    }

    /// Where its holder is noted; none for a key that nobody can hold.
    pub fn state_key(&self) -> Option<StateKey> {
        StateKey::new(["unique", &self.key]).ok()
    }

    /// How long the note of its holder stands; none for until it is removed.
    pub fn ttl(&self) -> Option<Duration> {
        match self.scope {
            UniqueScope::ForMillis(millis) => Some(Duration::from_millis(millis)),
            _ => None,
        }
    }
}

/// What the broker's messages say of whoever holds a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is on its way: the key is held.
    Held,
    /// It has ended, or started where that is enough: the key is free.
    Over,
    /// There is nothing of it. Whoever enqueues it may be between taking the key and storing the
    /// job; or it is long gone.
    Absent,
}

impl Standing {
    /// Of the job of this life, in `scope`, whose traces are these.
    pub fn of(scope: UniqueScope, life: &Nonce, traces: &[Evidence]) -> Self {
        let own = traces.iter().filter(|trace| trace.step.nonce == *life);
        let (mut standing, mut ended) = (Self::Absent, false);
        for trace in own {
            ended |= matches!(trace.place, Place::Dead | Place::Record);
            standing = Self::Held;
            if scope == UniqueScope::UntilStarted && has_started(&trace.step) {
                return Self::Over;
            }
        }
        let for_a_time = matches!(scope, UniqueScope::ForMillis(_));
        if ended && !for_a_time { Self::Over } else { standing }
    }
}

/// A first attempt may still wait for its start.
fn has_started(step: &Step) -> bool {
    step.attempt > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(scope: UniqueScope, traces: &[(Place, &str)]) -> Standing {
        let traces: Vec<_> = traces
            .iter()
            .map(|(place, step)| {
                let step = step.parse().expect("a step");
                Evidence { place: *place, seq: 1, step, awaited: false, died: false }
            })
            .collect();
        Standing::of(scope, &Nonce::parse("a").expect("a nonce"), &traces)
    }

    #[test]
    fn a_key_is_held_for_as_long_as_its_scope_says() {
        use Place::{Dead, Queue, Record, Schedule};
        use Standing::{Absent, Held, Over};
        let scopes =
            [UniqueScope::UntilStarted, UniqueScope::UntilFinished, UniqueScope::ForMillis(1)];
        for (traces, expected) in [
            (&[][..], [Absent, Absent, Absent]),
            (&[(Queue, "a/1/0")], [Held, Held, Held]),
            (&[(Schedule, "a/1/0")], [Held, Held, Held]),
            // Held back at a gate, or snoozed: whoever starts it has let go of the key.
            (&[(Schedule, "a/1/3")], [Held, Held, Held]),
            (&[(Schedule, "a/2/0")], [Over, Held, Held]),
            (&[(Queue, "a/2/0")], [Over, Held, Held]),
            (&[(Record, "a/1/0")], [Over, Over, Held]),
            (&[(Dead, "a/4/0")], [Over, Over, Held]),
            // Its ack is on the way, or lost.
            (&[(Queue, "a/1/0"), (Record, "a/1/0")], [Over, Over, Held]),
            // Another life of its id.
            (&[(Queue, "b/1/0"), (Record, "c/1/0")], [Absent, Absent, Absent]),
            (&[(Queue, "a/1/0"), (Record, "b/1/0")], [Held, Held, Held]),
        ] {
            let found = scopes.map(|scope| standing(scope, traces));
            assert_eq!(found, expected, "{traces:?}");
        }
    }

    #[test]
    fn a_key_that_nobody_can_hold_is_refused() {
        let long = "ä".repeat(65);
        for bad in [
            Unique::until_finished(""),
            Unique::until_started(long),
            Unique::for_time("a", Duration::ZERO),
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
        let longest = Unique::until_finished("ä".repeat(64));
        assert!(longest.check().is_ok() && longest.state_key().is_some());
    }

    #[test]
    fn a_time_is_never_shorter_than_asked_for() {
        let unique = Unique::for_time("a", Duration::from_micros(1500));
        assert_eq!(unique.ttl(), Some(Duration::from_millis(2)));
    }
}
