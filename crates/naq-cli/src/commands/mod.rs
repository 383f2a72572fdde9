//! One command a file: its arguments, and what it does.

pub(crate) mod audit;
pub(crate) mod batch;
#[cfg(feature = "bench")]
pub(crate) mod bench;
pub(crate) mod breaker;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod confirm;
#[cfg(feature = "dashboard")]
pub(crate) mod dashboard;
pub(crate) mod dev;
pub(crate) mod dlq;
pub(crate) mod doctor;
pub(crate) mod enqueue;
#[cfg(feature = "handlers")]
pub(crate) mod handlers;
pub(crate) mod job;
pub(crate) mod limit;
pub(crate) mod queue;
pub(crate) mod retry;
pub(crate) mod schedule;
pub(crate) mod top;
pub(crate) mod wait;
pub(crate) mod worker;
pub(crate) mod workers;
pub(crate) mod workflow;
