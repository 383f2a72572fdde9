//! A worker from its settings to its exit: slots, heartbeats, signals, drain.

mod builder;
mod drain;
mod exit;
mod handler_runtime;
mod heartbeat;
mod identity;
mod operator_signals;
mod run_list_loop;
mod settings;
mod slot;
mod start;
mod stats_writer;
mod stop_signals;
mod summary_loop;
mod unused_args_loop;
mod worker;

pub use self::builder::WorkerBuilder;
pub use self::exit::{Exit, StopSignal, WorkerError};
pub use self::handler_runtime::HandlerRuntime;
pub use self::stop_signals::StopSignals;
pub use self::worker::Worker;
