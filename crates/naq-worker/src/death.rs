//! [`Death`]: a job that dies, on its way into the broker.

use naq_core::transport::{Fact, Stored, Written};
use naq_core::{DeadLetter, Envelope};

/// First the record, which decides whether it is dead at all: somebody may have ended it otherwise.
/// Then the letter. Whoever finds a record without its letter writes that; see
/// [`left_behind`](Self::left_behind).
#[derive(Debug)]
pub(crate) struct Death {
    /// What is still to be written before the letter.
    record: Option<Fact>,
    letter: Fact,
    /// Other jobs wait for this end.
    awaited: bool,
}

impl Death {
    /// Of a message that is no job there is no record: nobody can end it otherwise.
    pub(crate) fn new(stored: &Stored, job: Option<Envelope>, letter: &DeadLetter) -> Self {
        let record = job.and_then(|job| Fact::death(stored, job, letter).ok());
        Self { record, letter: Fact::dead(stored, letter), awaited: false }
    }

    /// What is left to do of a death whose record stands. None when it records another end.
    pub(crate) fn left_behind(record: &Stored, stored: &Stored) -> Option<Self> {
        let letter = Fact::dead(stored, &record.letter_of_record(&stored.message)?);
        Some(Self { record: None, letter, awaited: record.message.is_awaited() })
    }

    /// The letter.
    pub(crate) fn letter(&self) -> &Fact {
        &self.letter
    }

    /// What is to be written now.
    pub(crate) fn next(&self) -> &Fact {
        self.record.as_ref().unwrap_or(&self.letter)
    }

    /// Whether the record is not decided yet.
    pub(crate) fn is_open(&self) -> bool {
        self.record.is_some()
    }

    /// Whether other jobs wait for it.
    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited
    }

    /// With the record decided: the letter is left.
    pub(crate) fn decided(self, written: Written) -> Self {
        Self { record: None, awaited: written == Written::Awaited, ..self }
    }

    /// With this in place of what is to be written now; nothing in place of a record for which
    /// nothing is small enough.
    pub(crate) fn instead(self, less: Option<Fact>) -> Option<Self> {
        if self.record.is_some() {
            return Some(Self { record: less, ..self });
        }
        less.map(|letter| Self { letter, ..self })
    }
}
