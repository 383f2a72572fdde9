//! NAQ's execution loop: it takes jobs from queues, runs their handlers, and settles them. It works
//! over any transport of `naq-core`, and names no broker.
//!
//! The path of one delivery: `intake` fetches it, checks a suspect and renews its lease; `crash` finds
//! out whether the worker that had it before is gone; `slots` holds it until a slot is free; `attempt`
//! passes its `gates` and calls its `handler`; `decide` turns the outcome into a settlement; `settle`
//! stores the fact and then acks. `report` logs and counts it. `engine` is what these share, `run`
//! starts and stops them.

mod attempt;
mod chores;
mod crash;
mod decide;
mod delivery;
mod engine;
mod gates;
mod handler;
mod intake;
mod outage;
mod panics;
mod random;
mod report;
mod run;
mod settle;
mod slots;
#[cfg(feature = "testing")]
pub mod testing;

pub use decide::LargeResults;
pub use engine::{Health, NotReady};
pub use handler::{
    AsyncResult, AttemptLayer, BatchTask, BatchedJob, Class, Context, Exhausted, JobBatch,
    LastError, Next, RawArgs, Recovered, Registry, Retrying, TaskOptions,
};
pub use run::{Exit, HandlerRuntime, StopSignal, StopSignals, Worker, WorkerBuilder, WorkerError};
