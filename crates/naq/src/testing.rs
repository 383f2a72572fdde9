//! Tools to test your own jobs. [`run`] runs one attempt in the test itself. [`Harness`] has a worker,
//! a broker in memory and a clock that only the test moves. A [`FaultyTransport`] fails when the test
//! asks for it.
//!
//! See [the page on tests](https://github.com/naq-rs/naq/blob/main/docs/testing.md), and the example
//! `examples/02-features/04-testing`.

pub use naq_conformance as contract;
pub use naq_core::testing::*;
#[cfg(feature = "worker")]
pub use naq_worker::testing::*;
