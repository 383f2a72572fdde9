//! [`Settlement`]: what to store of a delivery, and whether to ack it.

use naq_core::transport::Fact;

use super::{DeathFacts, RunTimes};

/// What to store of a delivery, and whether to ack it.
#[derive(Debug)]
pub(crate) enum Settlement {
    /// Store this fact, then ack.
    Store(Fact),
    /// Store this record of a completed job, then ack. If the broker refuses the result because of
    /// its size, another record needs the times of the attempt.
    StoreResult(Fact, RunTimes),
    /// Store the record of a dead job, then its dead letter, then ack.
    StoreDeath(Box<DeathFacts>),
    /// Another worker has ended the job, and may have died before it had done everything. Do the
    /// rest, then ack.
    FinishEnded,
    /// An operator cancelled the job while this worker had it. See to its record, then ack.
    EndCancelled,
    /// Ack: there is nothing to store, or it is stored already.
    AckOnly,
    /// Give the delivery back to its queue, then ack.
    GiveBack,
    /// Neither store nor ack: another worker has the job.
    Abandon,
}

impl Settlement {
    /// The fact that is stored next.
    pub(crate) fn next_fact(&self) -> Option<&Fact> {
        match self {
            Self::Store(fact) | Self::StoreResult(fact, _) => Some(fact),
            Self::StoreDeath(death) => Some(death.next_fact()),
            Self::FinishEnded
            | Self::EndCancelled
            | Self::AckOnly
            | Self::GiveBack
            | Self::Abandon => None,
        }
    }

    /// The fact that says whether the job is tried again or is dead. None for a completed job.
    pub(crate) fn retry_or_letter(&self) -> Option<&Fact> {
        match self {
            Self::Store(fact) => Some(fact),
            Self::StoreDeath(death) => Some(death.letter()),
            _ => None,
        }
    }
}
