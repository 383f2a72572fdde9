//! NAQ's execution loop: it takes jobs from queues, runs their handlers, and settles what became of
//! them. Over any transport of `naq-core`; it names no broker.
//!
//! One delivery is one line through this crate: `feed` fetches it, `suspects` makes sure that it
//! was not settled before, `ready` holds it until a slot is free, `execute` runs it, `conclude` turns
//! the outcome into a fact, `settle` writes the fact and then acks. `lease` keeps whatever is `held`
//! meanwhile.

mod ahead;
mod builder;
mod checkpoint;
mod chores;
mod classify;
mod conclude;
mod context;
mod death;
mod drain;
mod engine;
mod events;
mod execute;
mod exit;
mod fallback;
mod feed;
mod follow_up;
mod gates;
mod guarded;
mod handler;
mod health;
mod heartbeat;
mod held;
mod hooks;
mod identity;
mod kept;
mod lanes;
mod large_results;
mod lease;
mod metrics;
mod observe;
mod outage;
mod parents;
mod progress;
mod ready;
mod registry;
mod runtime;
mod settle;
mod signals;
mod smaller;
mod stats;
mod story;
mod suspects;
mod task_options;
mod tasks;
#[cfg(feature = "testing")]
pub mod testing;
mod trace;
mod worker;

pub use builder::WorkerBuilder;
pub use classify::Class;
pub use context::{Context, LastError};
pub use events::{Exhausted, Recovered, Retrying};
pub use exit::{Exit, StopSignal, WorkerError};
pub use handler::RawArgs;
pub use health::{Health, NotReady};
pub use large_results::LargeResults;
pub use registry::Registry;
pub use runtime::HandlerRuntime;
pub use task_options::TaskOptions;
pub use worker::Worker;
