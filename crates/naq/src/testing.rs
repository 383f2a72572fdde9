//! For tests of your own jobs. [`run`] makes one attempt inline; [`Harness`] is a whole world with a
//! broker in memory and a clock that stands still. A [`FaultyTransport`] fails on command.
//!
//! See [the page on tests](https://github.com/naq-rs/naq/blob/main/docs/testing.md), and the example
//! `examples/02-features/04-testing`.

pub use naq_conformance as contract;
pub use naq_core::testing::*;
#[cfg(feature = "worker")]
pub use naq_worker::testing::*;
