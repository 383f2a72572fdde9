//! The dead letter queue: list, requeue and purge dead letters.

mod filter;
mod purge;
mod requeue;

pub use filter::{DeadFilter, DeadSummary};
