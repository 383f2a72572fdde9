//! [`stale`]: whether a delivery was settled before, decided from the evidence.

use std::fmt;

use super::{Place, Stored};
use crate::wire::{Nonce, Step, headers};

/// Another message of the same job, reduced to place, sequence and step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Which subject it is on.
    pub place: Place,
    /// Its sequence in its stream.
    pub seq: u64,
    /// Its life, and how far that life is.
    pub step: Step,
    /// For a record: whether other jobs wait, or have waited, for this end.
    pub awaited: bool,
    /// For a record: whether the job died, so that a dead letter belongs to it.
    pub died: bool,
}

impl From<&Stored> for Evidence {
    fn from(stored: &Stored) -> Self {
        let is_record = stored.place == Place::Record;
        Self {
            place: stored.place,
            seq: stored.seq,
            step: stored.step(),
            awaited: is_record && stored.message.is_awaited(),
            died: is_record && stored.message.header(headers::DIED_AT).is_some(),
        }
    }
}

/// The steps that are missing because a worker crashed while it ended a job. The ack is always missing
/// too, because it is the last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unfinished {
    /// The dead letter of the record is missing.
    pub letter: bool,
    /// The jobs that wait for this end may not have been released.
    pub wake: bool,
}

impl Unfinished {
    /// Decides from the evidence of the job what is missing for the end of this life.
    pub fn of(life: &Nonce, evidence: &[Evidence]) -> Self {
        let has =
            |fits: fn(&Evidence) -> bool| evidence.iter().any(|e| e.step.nonce == *life && fits(e));
        Self {
            letter: has(|e| e.died) && !has(|e| e.place == Place::Dead),
            wake: has(|e| e.awaited),
        }
    }

    /// Whether only the ack is missing.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// Why a delivery must not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaleReason {
    /// A final record says that the job ended.
    Ended,
    /// A dead letter, or the record before it, says that the job died.
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

/// Whether the delivery with this step and sequence was settled before. `None` if it may run. Evidence of
/// another life of the id does not count.
pub fn stale(step: &Step, seq: u64, evidence: &[Evidence]) -> Option<StaleReason> {
    evidence.iter().filter(|e| e.step.nonce == step.nonce).find_map(|e| match e.place {
        Place::Record if e.died => Some(StaleReason::Died),
        Place::Record => Some(StaleReason::Ended),
        Place::Dead => Some(StaleReason::Died),
        Place::Schedule => step.is_before(&e.step).then_some(StaleReason::Waiting),
        // A retry that came due, or a delivery that was given back.
        Place::Queue => (e.seq > seq && !e.step.is_before(step)).then_some(StaleReason::Superseded),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(place: Place, seq: u64, step: &str) -> Evidence {
        let step = step.parse().expect("a step");
        Evidence { place, seq, step, awaited: false, died: false }
    }

    #[test]
    fn a_death_without_its_letter_and_an_end_that_is_awaited_are_unfinished() {
        use Place::{Dead, Record};
        let life = Nonce::parse("a").expect("a nonce");
        let died = |step| Evidence { died: true, ..evidence(Record, 1, step) };
        let awaited = |step| Evidence { awaited: true, ..evidence(Record, 1, step) };
        for (evidence, letter, wake) in [
            (vec![], false, false),
            (vec![evidence(Record, 1, "a/1/0")], false, false),
            (vec![died("a/1/0")], true, false),
            (vec![died("a/1/0"), evidence(Dead, 9, "a/1/0")], false, false),
            (vec![died("a/1/0"), evidence(Dead, 9, "b/1/0")], true, false),
            (vec![died("b/1/0")], false, false),
            (vec![awaited("a/1/0")], false, true),
            (vec![awaited("b/1/0")], false, false),
            (vec![evidence(Dead, 9, "a/1/0")], false, false),
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
            // Its own schedule message, which a broker may show again after a crash.
            (Schedule, "a/2/0", 9, None),
            (Queue, "a/3/0", 12, Some(Superseded)),
            (Queue, "a/2/0", 12, Some(Superseded)),
            // The delivery itself.
            (Queue, "a/2/0", 10, None),
            // Another job that was written by hand with the same id.
            (Queue, "s12/1/0", 12, None),
        ] {
            let evidence = [evidence(place, seq, step)];
            assert_eq!(stale(&me, 10, &evidence), expected, "{place:?} {step} {seq}");
        }
    }
}
