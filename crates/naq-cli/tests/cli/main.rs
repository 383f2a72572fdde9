//! The built binary, as people and scripts meet it.

mod access;
mod bench;
mod breaker;
mod check;
mod dashboard;
mod dev;
mod dlq;
mod enqueue;
mod help;
mod hostile;
mod jobs;
mod limits;
mod listing;
mod metrics;
mod operate;
mod output;
mod queues;
mod retry;
mod run;
mod schedules;
mod top;
#[cfg(feature = "otel")]
mod traces;
mod usage;
mod wait;
mod worker;
mod workflow;
