//! The record subject of a job, which whoever ends the job claims: the first one has it. Pure looks
//! at what stands there, for all transports; they compare and set by its sequence.

use super::{Awaiting, Fact, Stored, Written};
use crate::wire::Nonce;

/// What the writer of a final record does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Write it if the last message there still has this sequence; 0 for none.
    Free(u64),
    /// The same, over a marker: with [`AWAITED`](crate::wire::headers::AWAITED), and kept for
    /// [`AWAITED_RECORD_TTL`](super::AWAITED_RECORD_TTL) at least.
    Awaited(u64),
    /// Nothing: it is decided.
    Decided(Written),
}

impl Claim {
    /// Of this fact, a final record, on a subject where `standing` is the last message.
    pub fn of(fact: &Fact, standing: Option<&Stored>) -> Self {
        let Some(standing) = standing else { return Self::Free(0) };
        let message = &standing.message;
        if message.is_marker() {
            return Self::Awaited(standing.seq);
        }
        let (step, own) = (standing.step(), fact.message.step());
        if own.as_ref().is_none_or(|own| own.nonce != step.nonce) {
            return Self::Free(standing.seq);
        }
        // An earlier try of this very fact, whose answer was lost.
        let again = own == Some(step) && message.body == fact.message.body;
        Self::Decided(match (again, message.is_awaited()) {
            (false, _) => Written::Ended,
            (true, false) => Written::Stored,
            (true, true) => Written::Awaited,
        })
    }
}

/// What somebody who waits for an end does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// Put a marker there if the last message still has this sequence; 0 for none.
    Over(u64),
    /// Nothing: it is known.
    Known(Awaiting),
}

impl Mark {
    /// On a subject where `standing` is the last message.
    pub fn of(life: &Nonce, standing: Option<Stored>) -> Self {
        match standing {
            None => Self::Over(0),
            Some(it) if it.message.is_marker() => Self::Known(Awaiting::Marked),
            Some(it) if it.step().nonce == *life => Self::Known(Awaiting::Ended(it)),
            Some(it) => Self::Over(it.seq),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::clock::Timestamp;
    use crate::names::{JobId, QueueName};
    use crate::state::JobState;
    use crate::transport::{FactKind, JobKey, Place};
    use crate::wire::{WireMessage, headers};

    fn message(step: &str, body: &'static str) -> WireMessage {
        WireMessage::new(Bytes::from_static(body.as_bytes())).with(headers::STEP, step)
    }

    fn standing(message: WireMessage) -> Stored {
        let key = JobKey::new(QueueName::default(), JobId::new("a").expect("an id"));
        let (place, stored_at) = (Place::Record, Timestamp::from_millis(1));
        Stored { key, place, seq: 7, stored_at, due_at: None, delivered: false, message }
    }

    #[test]
    fn the_first_record_of_a_life_has_the_subject_and_keeps_it() {
        let own = message("a/2/0", "done");
        let fact = Fact {
            key: standing(own.clone()).key,
            kind: FactKind::Record { ttl: Duration::ZERO, state: JobState::Completed },
            dedup: String::new(),
            settles: 1,
            message: own.clone(),
        };
        assert_eq!(Claim::of(&fact, None), Claim::Free(0));
        for (there, expected) in [
            (WireMessage::marker(), Claim::Awaited(7)),
            (own.clone(), Claim::Decided(Written::Stored)),
            (own.with(headers::AWAITED, "1"), Claim::Decided(Written::Awaited)),
            (message("a/2/0", "cancelled"), Claim::Decided(Written::Ended)),
            (message("a/1/0", "done"), Claim::Decided(Written::Ended)),
            (message("b/2/0", "done"), Claim::Free(7)),
            (message("b/2/0", "done").with(headers::AWAITED, "1"), Claim::Free(7)),
        ] {
            assert_eq!(Claim::of(&fact, Some(&standing(there.clone()))), expected, "{there:?}");
        }
    }

    #[test]
    fn a_marker_is_put_where_no_record_of_that_life_stands() {
        let life = Nonce::parse("a").expect("a nonce");
        assert_eq!(Mark::of(&life, None), Mark::Over(0));
        for (there, expected) in [
            (WireMessage::marker(), Mark::Known(Awaiting::Marked)),
            (
                message("a/2/0", "done"),
                Mark::Known(Awaiting::Ended(standing(message("a/2/0", "done")))),
            ),
            (message("b/2/0", "done"), Mark::Over(7)),
        ] {
            assert_eq!(Mark::of(&life, Some(standing(there.clone()))), expected, "{there:?}");
        }
    }
}
