//! The ports to a broker. One small trait a role; whoever implements all of them is a
//! [`Transport`], and proves it with the contract suite (`testing::contract`).

mod blobs;
mod browse;
mod claim;
mod consume;
mod directory;
mod end_watch;
mod error;
mod fact;
mod lookup;
mod operate;
mod produce;
mod stale;
mod state;
mod stats;
mod stored;
mod stream;

// Ports speak of jobs and entries by their keys.
pub use crate::names::{JobKey, StateKey, StateKeyError};
pub use blobs::{BlobRef, BlobRefError, Blobs, MAX_BLOB_BYTES};
pub use browse::{
    JobSummary, JobsCursor, JobsCursorError, JobsPage, JobsQuery, Looked, Order, SCAN, Scan,
    waits_as,
};
pub use claim::{Claim, Mark};
pub use consume::{AckHandle, Consumer, Delivery, Subscription};
pub use directory::{Directory, WorkerInfo, WorkerStatus};
pub use end_watch::EndWatch;
pub use error::TransportError;
pub use fact::{
    AWAITED_RECORD_TTL, Awaiting, Fact, FactKind, SHORTEST_RECORD_TTL, Settler, Written,
};
pub use lookup::{BrokerInfo, DeadPage, Lookup, QueueInfo, WaitingPage};
pub use operate::{Operator, Signal, Signals};
pub use produce::{Producer, Receipt, Submission};
pub use stale::{Evidence, StaleReason, Unfinished, stale};
pub use state::{Expect, Saved, StateChange, StateEntry, StatePage, StateStore, StateWatch};
pub use stats::{STATS_TTL, StatsPage, StatsStore};
pub use stored::{Place, Stored};
pub use stream::{ConsumerReport, Durability, StreamReport, StreamRole};

/// A broker, from every side. Implemented by whatever implements the parts.
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
