//! [`DeathFacts`]: a dead job on its way to the broker.

use naq_core::transport::{Fact, Place, Stored, Written};
use naq_core::{DeadLetter, Envelope};

/// A dead job on its way to the broker. First the record: it decides whether the job is dead, since
/// an operator or another worker may have ended it otherwise. Then the dead letter. A worker that
/// finds a record without its letter writes the letter: see
/// [`missing_letter`](Self::missing_letter).
#[derive(Debug)]
pub(crate) struct DeathFacts {
    /// None once it is stored, or where the job has no record.
    record: Option<Fact>,
    letter: Fact,
    /// Other jobs wait for this end.
    awaited: bool,
    /// The follow-up is enqueued, or cannot be, or the job asks for none.
    follow_up_decided: bool,
}

impl DeathFacts {
    /// `job` is None for a message that is no job. Such a message has no record, because nothing
    /// else can end it in another way.
    pub(crate) fn new(stored: &Stored, job: Option<Envelope>, letter: &DeadLetter) -> Self {
        let record = job.and_then(|job| Fact::death(stored, job, letter).ok());
        Self {
            record,
            letter: Fact::dead(stored, letter),
            awaited: false,
            follow_up_decided: false,
        }
    }

    /// A death whose record is stored and whose letter is missing. None when the record says that
    /// the job ended otherwise.
    pub(crate) fn missing_letter(record: &Stored, stored: &Stored) -> Option<Self> {
        let letter = Fact::dead(stored, &record.letter_of_record(&stored.message)?);
        let awaited = record.message.is_awaited();
        Some(Self { record: None, letter, awaited, follow_up_decided: false })
    }

    /// The record, while it is not stored.
    pub(crate) fn record(&self) -> Option<&Fact> {
        self.record.as_ref()
    }

    /// The same death with other forms of its facts.
    pub(crate) fn with_facts(&self, record: Option<Fact>, letter: Fact) -> Self {
        let Self { awaited, follow_up_decided, .. } = *self;
        Self { record, letter, awaited, follow_up_decided }
    }

    pub(crate) fn letter(&self) -> &Fact {
        &self.letter
    }

    /// The record, and once it is stored the letter.
    pub(crate) fn next_fact(&self) -> &Fact {
        self.record.as_ref().unwrap_or(&self.letter)
    }

    /// Whether the record is not stored yet.
    pub(crate) fn record_pending(&self) -> bool {
        self.record.is_some()
    }

    /// Whether the follow-up comes next: the record is stored, and the letter is not.
    pub(crate) fn follow_up_pending(&self) -> bool {
        self.record.is_none() && !self.follow_up_decided
    }

    /// After the follow-up was enqueued, or could not be for this `reason`. The letter then says so.
    pub(crate) fn follow_up_decided(self, stored: &Stored, reason: Option<String>) -> Self {
        let letter = match reason {
            None => self.letter,
            Some(reason) => {
                let message = self.letter.message;
                let letter = Stored { place: Place::Dead, message, ..stored.clone() };
                let mut letter = letter.dead_letter();
                letter.reason = match letter.reason.as_str() {
                    "" => reason,
                    first => format!("{first}; {reason}"),
                };
                Fact::dead(stored, &letter)
            }
        };
        Self { letter, follow_up_decided: true, ..self }
    }

    /// Whether other jobs wait for this end.
    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited
    }

    /// After the record was stored.
    pub(crate) fn record_written(self, written: Written) -> Self {
        Self { record: None, awaited: written == Written::Awaited, ..self }
    }

    /// With a smaller form of the next fact. A record that has no form that is small enough is left
    /// out; without a letter there is no death.
    pub(crate) fn with_smaller(self, smaller: Option<Fact>) -> Option<Self> {
        if self.record.is_some() {
            return Some(Self { record: smaller, ..self });
        }
        smaller.map(|letter| Self { letter, ..self })
    }
}
