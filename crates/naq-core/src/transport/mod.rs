//! The ports to a broker: one small trait for each role. A type that implements all of them is a
//! [`Transport`]. The crate `naq-conformance` tests that it follows the contract.

mod blobs;
mod bound;
mod broker_clock;
mod browse;
mod claim;
mod consume;
mod directory;
mod end_watch;
mod error;
mod fact;
mod lookup;
mod operate;
mod probe;
mod produce;
mod stale;
mod state;
mod stats;
mod stored;
mod stream;

// The ports name jobs and state-store entries by these keys.
pub use crate::names::{JobKey, StateKey, StateKeyError};
pub use crate::wire::{BlobRef, BlobRefError};
pub use blobs::{Blobs, KeptBlob, MAX_BLOB_BYTES, NO_TTL};
pub use bound::{QueueBound, QueueSize};
pub use broker_clock::BrokerClock;
pub use browse::{
    HeldBack, JobSummary, JobsCursor, JobsCursorError, JobsPage, JobsQuery, Looked, Order, SCAN,
    Scan, waiting_state,
};
pub use claim::{Claim, Mark};
pub use consume::{AckHandle, Consumer, Delivery, Subscription};
pub use directory::{Directory, WorkerInfo, WorkerStatus};
pub use end_watch::EndWatch;
pub use error::TransportError;
pub use fact::{
    AWAITED_RECORD_TTL, Awaiting, Fact, FactKind, SHORTEST_RECORD_TTL, Settler, Written,
};
pub use lookup::{BrokerInfo, BrokerSchedule, DeadPage, Lookup, QueueInfo, WaitingPage};
pub use operate::{Operator, Signal, Signals};
pub use probe::{ProbeAnswer, StoreProbe};
pub use produce::{Producer, Receipt, Submission};
pub use stale::{Evidence, StaleReason, Unfinished, stale};
pub use state::{Expect, Saved, StateChange, StateEntry, StatePage, StateStore, StateWatch};
pub use stats::{STATS_TTL, StatsPage, StatsStore};
pub use stored::{ArgsMoved, Place, Stored};
pub use stream::{ConsumerReport, Durability, EvictionLoss, StreamReport, StreamRole};

/// All ports of a broker together. Every type that implements the ports implements it. A component that
/// needs only some of the ports should ask for those.
pub trait Transport:
    Producer
    + Consumer
    + Settler
    + Lookup
    + Operator
    + Directory
    + StateStore
    + Blobs
    + StatsStore
    + std::fmt::Debug
{
}

impl<T> Transport for T where
    T: Producer
        + Consumer
        + Settler
        + Lookup
        + Operator
        + Directory
        + StateStore
        + Blobs
        + StatsStore
        + std::fmt::Debug
{
}
