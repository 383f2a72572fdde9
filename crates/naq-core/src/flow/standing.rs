//! [`Standing`]: whether the job that holds a unique key still needs it.

use super::UniqueScope;
use crate::transport::{Evidence, Place};
use crate::wire::{Nonce, Step};

/// Whether the job that holds a unique key still needs it, by the messages of that job in the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The job has not ended: it holds the key.
    Held,
    /// The job has ended, or has started and its scope is [`UniqueScope::UntilStarted`]: the key is
    /// free.
    Over,
    /// The broker has no message of the job. Either the client has taken the key and not stored the
    /// job yet, or the job ended long ago.
    Absent,
}

impl Standing {
    /// Decides from the evidence of the job's id, which may contain messages of other lives.
    pub fn of(scope: UniqueScope, life: &Nonce, evidence: &[Evidence]) -> Self {
        let own = evidence.iter().filter(|message| message.step.nonce == *life);
        let mut standing = Self::Absent;
        let mut ended = false;
        for message in own {
            ended |= matches!(message.place, Place::Dead | Place::Record);
            standing = Self::Held;
            if scope == UniqueScope::UntilStarted && has_started(&message.step) {
                return Self::Over;
            }
        }
        let has_fixed_time = matches!(scope, UniqueScope::ForMillis(_));
        if ended && !has_fixed_time { Self::Over } else { standing }
    }
}

/// Whether the first attempt has started. A message at attempt 1 may still wait for its start.
fn has_started(step: &Step) -> bool {
    step.attempt > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(scope: UniqueScope, messages: &[(Place, &str)]) -> Standing {
        let evidence: Vec<_> = messages
            .iter()
            .map(|(place, step)| {
                let step = step.parse().expect("a step");
                Evidence { place: *place, seq: 1, step, awaited: false, died: false }
            })
            .collect();
        Standing::of(scope, &Nonce::parse("a").expect("a nonce"), &evidence)
    }

    #[test]
    fn a_key_is_held_for_as_long_as_its_scope_says() {
        use Place::{Dead, Queue, Record, Schedule};
        use Standing::{Absent, Held, Over};
        let scopes =
            [UniqueScope::UntilStarted, UniqueScope::UntilFinished, UniqueScope::ForMillis(1)];
        for (messages, expected) in [
            (&[][..], [Absent, Absent, Absent]),
            (&[(Queue, "a/1/0")], [Held, Held, Held]),
            (&[(Schedule, "a/1/0")], [Held, Held, Held]),
            // Held back by a gate, or snoozed. A worker that starts it returns the key.
            (&[(Schedule, "a/1/3")], [Held, Held, Held]),
            (&[(Schedule, "a/2/0")], [Over, Held, Held]),
            (&[(Queue, "a/2/0")], [Over, Held, Held]),
            (&[(Record, "a/1/0")], [Over, Over, Held]),
            (&[(Dead, "a/4/0")], [Over, Over, Held]),
            // Ended, but its queue message is not acked yet.
            (&[(Queue, "a/1/0"), (Record, "a/1/0")], [Over, Over, Held]),
            // Other lives of the same id.
            (&[(Queue, "b/1/0"), (Record, "c/1/0")], [Absent, Absent, Absent]),
            (&[(Queue, "a/1/0"), (Record, "b/1/0")], [Held, Held, Held]),
        ] {
            let found = scopes.map(|scope| standing(scope, messages));
            assert_eq!(found, expected, "{messages:?}");
        }
    }
}
