//! Enqueue jobs inside a database transaction. [`Outbox::enqueue`] inserts a row in the transaction of the caller:
//! the job is there if the transaction commits, and not if it is rolled back. A [`Relay`] publishes the rows to the
//! broker, each once, and marks them.
//!
//! A complete round on SQLite and the in-memory broker:
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use naq_client::Client;
//! use naq_core::JobState;
//! use naq_memory::MemoryTransport;
//! use naq_outbox::{OutboxTable, Relay, SqliteOutbox};
//! use sqlx::sqlite::SqlitePoolOptions;
//!
//! let client = Client::new(Arc::new(MemoryTransport::new()));
//! let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
//! OutboxTable::new(pool.clone()).create().await?;
//! let outbox = SqliteOutbox::new(client.clone());
//!
//! let mut tx = pool.begin().await?;
//! // Here the statements of the program.
//! let id = outbox.enqueue(&mut tx, client.enqueue_task("order.ship", &2317)?.max_retries(9)).await?;
//! tx.commit().await?;
//!
//! let done = Relay::new(pool, client.clone()).run_once().await?;
//! assert_eq!(done.published, 1);
//! assert_eq!(client.job(&id, None).await?.state, JobState::Pending);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```
//!
//! # Once
//!
//! A row has the id of its job, and the message as it will be published. Before a relay sends a row, it writes into it
//! that the broker may have the job from now on. So after a crash between publish and mark the next relay looks for
//! the job at the broker first. It sends the row again only while a record of the job would still be kept; after that
//! the row is [unclear](RowState::Unclear), and an operator decides.
//!
//! Features: `postgres`, `sqlite`, `tls` (TLS to PostgreSQL). None is on by default.

#![cfg_attr(
    not(any(feature = "postgres", feature = "sqlite")),
    expect(dead_code, reason = "without a database no statement is compiled")
)]

mod batch;
mod database;
mod decide;
mod error;
mod new_row;
mod order;
mod order_key;
mod outbox;
mod outbox_row;
#[cfg(feature = "postgres")]
mod postgres;
mod relay;
mod relayed;
mod row_state;
mod settlement;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod table;
mod taken_row;

pub use database::OutboxDatabase;
pub use error::OutboxError;
pub use new_row::{InOrder, OutboxJob, in_order};
pub use order_key::MAX_ORDER_KEY;
pub use outbox::Outbox;
pub use outbox_row::OutboxRow;
pub use relay::Relay;
pub use relayed::Relayed;
pub use row_state::{RowState, UnknownRowState};
pub use table::OutboxTable;

/// Compiles the code in `docs/outbox.md`.
#[cfg(all(doctest, feature = "postgres"))]
#[doc = include_str!("../../../docs/outbox.md")]
struct OutboxPage;

/// An outbox in PostgreSQL.
#[cfg(feature = "postgres")]
pub type PgOutbox = Outbox<sqlx::Postgres>;

/// An outbox in SQLite.
#[cfg(feature = "sqlite")]
pub type SqliteOutbox = Outbox<sqlx::Sqlite>;
