//! [`Claim`] and [`Mark`]: what to write on the record subject of a job. The first record of a life wins.
//! Both are pure decisions from the last message on that subject. All transports use them. A transport
//! writes only if that message is still the last one.

use super::{Awaiting, Fact, Stored, Written};
use crate::wire::{CancelledAttempt, Nonce};

/// What to do with a final record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Write it if the last message on the subject still has this sequence. 0 means that there is none.
    Free(u64),
    /// Write it in place of the marker with this sequence. It needs the header
    /// [`AWAITED`](crate::wire::headers::AWAITED), and must be kept for at least
    /// [`AWAITED_RECORD_TTL`](super::AWAITED_RECORD_TTL).
    Awaited(u64),
    /// Write nothing: this is the answer.
    Decided(Written),
}

impl Claim {
    /// Decides what to do with the final record `fact`. `last` is the last message on the subject.
    pub fn of(fact: &Fact, last: Option<&Stored>) -> Self {
        let Some(last) = last else { return Self::Free(0) };
        let message = &last.message;
        if message.is_marker() {
            return Self::Awaited(last.seq);
        }
        let step = last.step();
        let own = fact.message.step();
        if own.as_ref().is_none_or(|own| own.nonce != step.nonce) {
            return Self::Free(last.seq);
        }
        // The worker adds the attempt to the record of the client that cancelled the job.
        if message.cancelled_attempt() == Some(CancelledAttempt::Unknown)
            && fact.message.cancelled_attempt() == Some(CancelledAttempt::Known)
        {
            return match message.is_awaited() {
                false => Self::Free(last.seq),
                true => Self::Awaited(last.seq),
            };
        }
        // The same fact was stored by an earlier request whose answer was lost.
        let is_same = own == Some(step) && message.body == fact.message.body;
        Self::Decided(match (is_same, message.is_awaited()) {
            (false, _) => Written::Ended,
            (true, false) => Written::Stored,
            (true, true) => Written::Awaited,
        })
    }
}

/// What to do for a job that waits for another job's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// Write a marker if the last message on the subject still has this sequence. 0 means that there is
    /// none.
    Over(u64),
    /// Write nothing: this is the answer.
    Known(Awaiting),
}

impl Mark {
    /// Decides what to do for this life of the job. `last` is the last message on the subject.
    pub fn of(life: &Nonce, last: Option<Stored>) -> Self {
        match last {
            None => Self::Over(0),
            Some(last) if last.message.is_marker() => Self::Known(Awaiting::Marked),
            Some(last) if last.step().nonce == *life => Self::Known(Awaiting::Ended(last)),
            Some(last) => Self::Over(last.seq),
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

    fn stored(message: WireMessage) -> Stored {
        let key = JobKey::new(QueueName::default(), JobId::new("a").expect("an id"));
        let stored_at = Timestamp::from_millis(1);
        Stored {
            key,
            place: Place::Record,
            seq: 7,
            stored_at,
            due_at: None,
            delivered: false,
            message,
        }
    }

    #[test]
    fn the_first_record_of_a_life_wins() {
        let own = message("a/2/0", "done");
        let fact = Fact {
            key: stored(own.clone()).key,
            kind: FactKind::Record { ttl: Duration::ZERO, state: JobState::Completed },
            dedup: String::new(),
            settles: 1,
            message: own.clone(),
        };
        assert_eq!(Claim::of(&fact, None), Claim::Free(0));
        for (last, expected) in [
            (WireMessage::marker(), Claim::Awaited(7)),
            (own.clone(), Claim::Decided(Written::Stored)),
            (own.with(headers::AWAITED, "1"), Claim::Decided(Written::Awaited)),
            (message("a/2/0", "cancelled"), Claim::Decided(Written::Ended)),
            (message("a/1/0", "done"), Claim::Decided(Written::Ended)),
            (message("b/2/0", "done"), Claim::Free(7)),
            (message("b/2/0", "done").with(headers::AWAITED, "1"), Claim::Free(7)),
        ] {
            assert_eq!(Claim::of(&fact, Some(&stored(last.clone()))), expected, "{last:?}");
        }
    }

    #[test]
    fn the_attempt_is_added_once_to_the_record_of_a_cancel() {
        use CancelledAttempt::{Known, Unknown};
        let known = message("a/2/0", "cancelled at w1").with_cancelled_attempt(Known);
        let fact = Fact {
            key: stored(known.clone()).key,
            kind: FactKind::Record { ttl: Duration::ZERO, state: JobState::Cancelled },
            dedup: String::new(),
            settles: 1,
            message: known.clone(),
        };
        let unknown = message("a/2/0", "cancelled").with_cancelled_attempt(Unknown);
        let other = message("a/2/0", "cancelled at w2").with_cancelled_attempt(Known);
        for (last, expected) in [
            (unknown.clone(), Claim::Free(7)),
            (unknown.with(headers::AWAITED, "1"), Claim::Awaited(7)),
            (known, Claim::Decided(Written::Stored)),
            (other, Claim::Decided(Written::Ended)),
            (message("a/2/0", "done"), Claim::Decided(Written::Ended)),
        ] {
            assert_eq!(Claim::of(&fact, Some(&stored(last.clone()))), expected, "{last:?}");
        }
    }

    #[test]
    fn a_marker_is_written_unless_the_life_has_a_record() {
        let life = Nonce::parse("a").expect("a nonce");
        assert_eq!(Mark::of(&life, None), Mark::Over(0));
        for (last, expected) in [
            (WireMessage::marker(), Mark::Known(Awaiting::Marked)),
            (
                message("a/2/0", "done"),
                Mark::Known(Awaiting::Ended(stored(message("a/2/0", "done")))),
            ),
            (message("b/2/0", "done"), Mark::Over(7)),
        ] {
            assert_eq!(Mark::of(&life, Some(stored(last.clone()))), expected, "{last:?}");
        }
    }
}
