//! The built binary, as users and scripts run it.

mod access;
mod accounts;
mod acts;
#[cfg(feature = "bench")]
mod bench;
mod breaker;
mod check;
mod context;
mod corpus;
#[cfg(feature = "dashboard")]
mod dashboard;
mod dev;
mod dlq;
mod enqueue;
#[cfg(feature = "dashboard")]
mod fuzz;
#[cfg(feature = "gateway")]
mod gateway;
#[cfg(feature = "gateway")]
mod gateway_deaths;
#[cfg(feature = "handlers")]
mod handler_deaths;
#[cfg(feature = "handlers")]
mod handlers;
#[cfg(all(feature = "bench", feature = "dashboard", feature = "metrics"))]
mod help;
mod hostile;
mod jobs;
mod keys;
mod limits;
mod listing;
#[cfg(feature = "metrics")]
mod metrics;
mod migrate;
mod new_project;
mod operate;
#[cfg(feature = "outbox")]
mod outbox;
mod output;
mod queues;
mod retry;
mod run;
mod runs;
mod schedules;
mod top;
#[cfg(feature = "otel")]
mod traces;
mod usage;
mod wait;
mod worker;
mod workflow;
