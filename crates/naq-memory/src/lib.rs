//! A broker in this process's memory, with the semantics of NATS JetStream as NAQ uses it: for
//! demos, for users' tests, and to prove the ports without a server. Nothing outlives the process.
//!
//! What it keeps is a plain state machine that is told the time; around it lie a lock and wake-ups.
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

mod blobs;
mod browse;
mod dedup;
mod directory;
mod end_watch;
mod handle;
mod journal;
mod log;
mod lookup;
mod operate;
mod queue;
mod settle;
mod shared_state;
mod state;
mod stats;
mod subscription;
mod transport;

pub use journal::JournalEntry;
pub use transport::MemoryTransport;
