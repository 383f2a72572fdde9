//! Proof of promises 1, 2, 3 and 6 with real processes: producers and workers that write down what
//! they did, a seeded plan of faults, and a checker that joins their ledgers with what the broker
//! holds at the end.
//!
//! The oracle is [`script`]: what each job's handler does, and so how the job must end, without
//! asking NAQ. `naq-fault-run --help` shows the long run; `tests/fault_run.rs` is the short one.

pub mod broker;
pub mod caller;
pub mod check;
pub mod cli;
pub mod fleet;
pub mod history;
pub mod job;
pub mod ledger;
pub mod plan;
pub mod producer;
pub mod recurring;
pub mod report;
pub mod roles;
pub mod run;
pub mod script;
