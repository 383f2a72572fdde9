//! From the outcome of a delivery to its settlement. No I/O: `settle` writes what is decided here.

mod death;
mod decider;
mod delivery_outcome;
mod failed;
mod fit;
mod large_results;
mod records;
mod settlement;

pub(crate) use self::death::Death;
pub(crate) use self::decider::{DecidedSettlement, Decider};
pub(crate) use self::delivery_outcome::{
    DeliveryOutcome, FinishedRun, RunResult, Times, attempt_facts, decide_failure,
};
pub(crate) use self::fit::{TooLarge, fit};
pub(crate) use self::large_results::LargeResult;
pub use self::large_results::LargeResults;
pub(crate) use self::settlement::Settlement;
