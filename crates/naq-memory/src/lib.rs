//! A broker in the memory of this process. It behaves as NATS JetStream does, as far as NAQ uses it.
//! It serves demos, users' tests, and the contract tests of the ports without a server. All data is
//! lost when the process ends.
//!
//! `broker_state` is a plain state machine that gets the time as an argument. `transport` puts a lock
//! and notifications around it.
//!
//! ```
//! use naq_client::Client;
//! use naq_memory::MemoryTransport;
//! use std::sync::Arc;
//!
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(Arc::new(MemoryTransport::new()));
//! client.enqueue_task("email.send", &["a@example.com"])?.await?;
//! # Ok(())
//! # }
//! ```

mod ack_handle;
mod blobs;
mod broker_state;
mod browse;
mod dedup;
mod directory;
mod end_watch;
mod journal;
mod lookup;
mod operate;
mod purges;
mod queue;
mod settle;
mod state_store;
mod stats;
mod stream_log;
mod subscription;
mod transport;

pub use journal::JournalEntry;
pub use transport::MemoryTransport;
