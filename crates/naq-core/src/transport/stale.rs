//! Whether a delivery was settled already: a pure look at the evidence.

use std::fmt;

use super::{Place, Stored};
use crate::wire::Step;

/// A message of the same job elsewhere, reduced to what tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Where it stands.
    pub place: Place,
    /// Its sequence in its stream.
    pub seq: u64,
    /// Of which life, and how far along.
    pub step: Step,
}

impl From<&Stored> for Evidence {
    fn from(stored: &Stored) -> Self {
        Self { place: stored.place, seq: stored.seq, step: stored.step() }
    }
}

/// Why a delivery must not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaleReason {
    /// A final record says that the job ended.
    Ended,
    /// A dead letter says so.
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
            let evidence = [Evidence { place, seq, step: step.parse().expect("a step") }];
            assert_eq!(stale(&me, 10, &evidence), expected, "{place:?} {step} {seq}");
        }
    }
}
