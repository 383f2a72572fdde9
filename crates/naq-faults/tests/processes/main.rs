//! Real worker processes on a real broker, and what is left of their jobs when they end in all the
//! ways in which a process can end.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod fan_in;
mod kept;
mod operator_crash;
mod settle_crash;
mod support;
mod worker_ends;
