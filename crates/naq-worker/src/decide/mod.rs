//! From the outcome of a delivery to its settlement. No I/O: `settle` writes what is decided here.

mod death_facts;
mod delivery_outcome;
mod failed;
mod large_args;
mod large_results;
mod records;
mod settle_planner;
mod settlement;
mod size_fit;
mod unverified;

pub(crate) use self::death_facts::DeathFacts;
pub(crate) use self::delivery_outcome::{
    DeliveryOutcome, FinishedRun, RunResult, RunTimes, attempt_facts, decide_failure,
};
pub(crate) use self::large_args::LargeArgs;
pub(crate) use self::large_results::LargeResult;
pub use self::large_results::LargeResults;
pub(crate) use self::settle_planner::{SettlePlan, SettlePlanner};
pub(crate) use self::settlement::Settlement;
pub(crate) use self::size_fit::{SizeLimit, fit_result, fit_settlement};
