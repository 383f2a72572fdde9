//! The harness itself: what other tests believe about it must be true.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod child;
mod proxy;
mod server;
mod wire;
