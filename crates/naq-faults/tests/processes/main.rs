//! Real worker processes on a real broker end in all possible ways. These tests check what happens to
//! their jobs.

#![expect(clippy::unwrap_used, reason = "test helpers may panic, as tests do")]

mod apart;
mod broker_away;
mod checkpoint;
mod fan_in;
mod full_store;
mod handler_settle;
mod lost_tail;
mod lowered_limit;
mod malformed;
mod operator_crash;
mod settle_crash;
mod setup;
mod standstill;
mod three_servers;
mod worker_ends;
