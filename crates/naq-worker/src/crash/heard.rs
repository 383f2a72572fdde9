//! [`Heard`]: for how long the broker has stored this worker's lists, and what it may have missed
//! between two of them.

use std::time::Duration;

use naq_core::Timestamp;

/// The lists of this worker that the broker has stored without a gap. Times by the worker's clock.
#[derive(Debug, Default)]
pub(super) struct Heard {
    run: Option<Unbroken>,
}

#[derive(Debug, Clone, Copy)]
struct Unbroken {
    since: Timestamp,
    last: Timestamp,
    longest_gap: Duration,
    revision: u64,
}

impl Heard {
    /// A list was stored: asked for at `called`, known at `answered`. After a silence of more than
    /// `allowed` the broker may have been away, and the count begins again. So it does when the clock
    /// was set back.
    pub(super) fn stored(
        &mut self,
        called: Timestamp,
        answered: Timestamp,
        revision: u64,
        allowed: Duration,
    ) {
        // The broker stored the one before at its call or later, and this one at its answer or earlier.
        let gap = self.run.map(|run| answered.since(run.last));
        self.run = match (self.run, gap) {
            (Some(run), Some(gap)) if gap <= allowed && answered >= run.last => Some(Unbroken {
                since: run.since,
                last: run.last.max(called),
                longest_gap: run.longest_gap.max(gap),
                revision: run.revision.max(revision),
            }),
            _ => Some(Unbroken {
                since: called,
                last: called,
                longest_gap: Duration::ZERO,
                revision,
            }),
        };
    }

    /// A list could not be stored, or the worker does not know that it was.
    pub(super) fn lost(&mut self) {
        self.run = None;
    }

    /// For how long the broker has stored the lists without a gap.
    pub(super) fn stored_for(&self) -> Duration {
        self.run.map_or(Duration::ZERO, |run| run.last.since(run.since))
    }

    /// The longest time between two lists in [`Self::stored_for`].
    pub(super) fn longest_gap(&self) -> Duration {
        self.run.map_or(Duration::ZERO, |run| run.longest_gap)
    }

    /// The revision of the newest list. None if it is not known whether that was stored.
    pub(super) fn revision(&self) -> Option<u64> {
        self.run.map(|run| run.revision)
    }

    /// Does this worker know the gap before the list with this revision?
    pub(super) fn knows(&self, revision: u64) -> bool {
        self.run.is_some_and(|run| revision <= run.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    const ALLOWED: Duration = Duration::from_millis(1_500);

    #[test]
    fn the_longest_gap_reaches_from_a_call_to_the_next_answer() {
        let mut heard = Heard::default();
        heard.stored(at(0), at(10), 1, ALLOWED);
        assert_eq!((heard.stored_for(), heard.longest_gap()), (Duration::ZERO, Duration::ZERO));
        // The second list waited for a broker that was away for a second.
        heard.stored(at(200), at(1_300), 2, ALLOWED);
        heard.stored(at(1_500), at(1_510), 3, ALLOWED);
        assert_eq!(heard.stored_for(), Duration::from_millis(1_500));
        assert_eq!(heard.longest_gap(), Duration::from_millis(1_310));
    }

    #[test]
    fn a_silence_or_a_list_that_was_not_stored_begins_the_count_again() {
        let mut heard = Heard::default();
        heard.stored(at(0), at(10), 1, ALLOWED);
        heard.stored(at(600), at(610), 2, ALLOWED);
        heard.stored(at(2_200), at(2_210), 3, ALLOWED);
        assert_eq!((heard.stored_for(), heard.longest_gap()), (Duration::ZERO, Duration::ZERO));
        heard.stored(at(2_400), at(2_410), 4, ALLOWED);
        assert_eq!(heard.stored_for(), Duration::from_millis(200));
        heard.stored(at(1_000), at(1_010), 5, ALLOWED);
        assert_eq!(heard.stored_for(), Duration::ZERO, "the clock was set back");
        heard.lost();
        assert_eq!((heard.stored_for(), heard.longest_gap()), (Duration::ZERO, Duration::ZERO));
    }

    #[test]
    fn the_gap_before_a_list_is_unknown_until_its_answer_came() {
        let mut heard = Heard::default();
        assert!(!heard.knows(1));
        heard.stored(at(0), at(10), 7, ALLOWED);
        assert!(heard.knows(7) && !heard.knows(8));
    }
}
