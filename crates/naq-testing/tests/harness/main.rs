//! Tests of the test harness, which other tests rely on.

#![expect(clippy::unwrap_used, reason = "test helpers may panic, as tests do")]

mod child;
mod cluster;
mod proxy;
mod server;
