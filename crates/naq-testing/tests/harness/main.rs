//! Tests of the test harness, which other tests rely on.

#![expect(clippy::unwrap_used, reason = "test helpers may panic, as tests do")]

mod child;
mod proxy;
mod server;
