//! Proves NAQ's promises 1, 2, 3, 6 and 9 (see [`check`]) with real processes. Producers, workers and
//! operators write ledgers of what they do, a seeded plan causes faults, and a checker compares the
//! ledgers with what the broker has stored at the end.
//!
//! [`script`] says what each job's handler does and how the job must end, without NAQ's own code.
//! `naq-fault-run --help` describes the long run; `tests/fault_run.rs` is the short one.

pub mod broker;
pub mod caller;
pub mod check;
pub mod cli;
pub mod cluster_plan;
pub mod deed;
pub mod deed_plan;
pub mod fleet;
pub mod history;
pub mod job;
pub mod ledger;
pub mod operators;
pub mod plan;
pub mod producer;
pub mod recurring;
pub mod report;
pub mod roles;
pub mod run;
pub mod script;
mod servers;
pub mod settings;
pub mod stored_job;
mod worker_log;
