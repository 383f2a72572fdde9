//! Whether a delivery was settled already: a pure look at the evidence.

use std::fmt;

use super::{Place, Stored};
use crate::wire::{Nonce, Step, headers};

/// A message of the same job elsewhere, reduced to what tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Where it stands.
    pub place: Place,
    /// Its sequence in its stream.
    pub seq: u64,
    /// Of which life, and how far along.
    pub step: Step,
    /// On a record: other jobs wait, or waited, for this end.
    pub awaited: bool,
    /// On a record: the job died, and a letter belongs to it.
    pub died: bool,
}

impl From<&Stored> for Evidence {
    fn from(stored: &Stored) -> Self {
        let (place, seq, step) = (stored.place, stored.seq, stored.step());
        let record = place == Place::Record;
        let awaited = record && stored.message.is_awaited();
        let died = record && stored.message.header(headers::DIED_AT).is_some();
        Self { place, seq, step, awaited, died }
    }
}

/// What whoever ended a job died before it could do. The ack is left, too: it is the last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unfinished {
    /// The dead letter that belongs to the record.
    pub letter: bool,
    /// The jobs that wait for this end may not know of it.
    pub wake: bool,
}

impl Unfinished {
    /// Read off the evidence for the end of this life.
    pub fn of(life: &Nonce, evidence: &[Evidence]) -> Self {
        let stands =
            |fits: fn(&Evidence) -> bool| evidence.iter().any(|e| e.step.nonce == *life && fits(e));
        Self {
            letter: stands(|e| e.died) && !stands(|e| e.place == Place::Dead),
            wake: stands(|e| e.awaited),
        }
    }

    /// Whether there is nothing left to do but the ack.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// Why a delivery must not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaleReason {
    /// A final record says that the job ended.
    Ended,
    /// A dead letter says so, or the record that goes before it.
    Died,
    /// A later attempt waits for its time.
    Waiting,
    /// A newer message of the job is in the queue.
    Superseded,
}

impl fmt::Display for StaleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "the job has ended",
            Self::Died => "the job is in the dead letter queue",
            Self::Waiting => "a later attempt waits for its time",
            Self::Superseded => "a newer message of the job is in the queue",
        })
    }
}

/// Whether the delivery with this step and sequence was settled already. Evidence of another life
/// of the id says nothing.
pub fn stale(step: &Step, seq: u64, evidence: &[Evidence]) -> Option<StaleReason> {
    evidence.iter().filter(|e| e.step.nonce == step.nonce).find_map(|e| match e.place {
        Place::Record if e.died => Some(StaleReason::Died),
        Place::Record => Some(StaleReason::Ended),
        Place::Dead => Some(StaleReason::Died),
        Place::Schedule => step.is_before(&e.step).then_some(StaleReason::Waiting),
        // A schedule that fired, or a delivery that was given back.
        Place::Queue => (e.seq > seq && !e.step.is_before(step)).then_some(StaleReason::Superseded),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(place: Place, seq: u64, step: &str) -> Evidence {
        let step = step.parse().expect("a step");
        Evidence { place, seq, step, awaited: false, died: false }
    }

    #[test]
    fn a_death_without_its_letter_and_an_end_that_is_awaited_are_unfinished() {
        use Place::{Dead, Record};
        let life = Nonce::parse("a").expect("a nonce");
        let died = |step| Evidence { died: true, ..trace(Record, 1, step) };
        let awaited = |step| Evidence { awaited: true, ..trace(Record, 1, step) };
        for (evidence, letter, wake) in [
            (vec![], false, false),
            (vec![trace(Record, 1, "a/1/0")], false, false),
            (vec![died("a/1/0")], true, false),
            (vec![died("a/1/0"), trace(Dead, 9, "a/1/0")], false, false),
            (vec![died("a/1/0"), trace(Dead, 9, "b/1/0")], true, false),
            (vec![died("b/1/0")], false, false),
            (vec![awaited("a/1/0")], false, true),
            (vec![awaited("b/1/0")], false, false),
            (vec![trace(Dead, 9, "a/1/0")], false, false),
        ] {
            assert_eq!(
                Unfinished::of(&life, &evidence),
                Unfinished { letter, wake },
                "{evidence:?}"
            );
        }
        assert!(Unfinished::default().is_nothing());
        assert_eq!(
            stale(&"a/1/0".parse().expect("a step"), 1, &[died("a/1/0")]),
            Some(StaleReason::Died)
        );
    }

    #[test]
    fn evidence_of_the_same_life_decides_and_of_another_does_not() {
        use Place::{Dead, Queue, Record, Schedule};
        use StaleReason::{Died, Ended, Superseded, Waiting};
        let me: Step = "a/2/0".parse().expect("a step");
        for (place, step, seq, expected) in [
            (Record, "a/2/0", 1, Some(Ended)),
            (Record, "b/2/0", 1, None),
            (Dead, "a/2/0", 1, Some(Died)),
            (Dead, "b/9/0", 1, None),
            (Schedule, "a/3/0", 11, Some(Waiting)),
            (Schedule, "a/2/1", 11, Some(Waiting)),
            // Its own schedule, which an unclean broker may show again.
            (Schedule, "a/2/0", 9, None),
            (Queue, "a/3/0", 12, Some(Superseded)),
            (Queue, "a/2/0", 12, Some(Superseded)),
            // Itself.
            (Queue, "a/2/0", 10, None),
            // Another job that somebody wrote by hand under the same id.
            (Queue, "s12/1/0", 12, None),
        ] {
            let evidence = [trace(place, seq, step)];
            assert_eq!(stale(&me, 10, &evidence), expected, "{place:?} {step} {seq}");
        }
    }
}
