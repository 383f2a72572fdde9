//! NAQ over HTTP: programs in any language enqueue jobs, read their state and result, and act on them.
//!
//! [`Gateway`] is an axum router over a [`Client`](naq_client::Client). `naq gateway` serves it alone,
//! and an application can mount it. It takes a job from its caller, checks it, and writes it with its own
//! rights, so that a producer needs neither an account of the broker nor trust: no header of a caller
//! reaches the broker, and an [`ApiKey`] says which queues and tasks the caller may use.
//!
//! A job is answered with success only after the broker has stored it. A repeated request with the same
//! `Idempotency-Key` adds no second job.

mod app;
mod endpoints;
mod faults;
mod gateway;
mod guard;
mod keys;
mod options;
mod problem;
mod request;
mod routes;

pub use gateway::Gateway;
pub use keys::{Allowed, ApiKey, ApiKeys, KeyListError};
pub use options::Options;
