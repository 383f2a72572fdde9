//! [`OutboxDatabase`]: the databases that an outbox can be in.

use crate::store::Store;

/// A database that an outbox can be in: `sqlx::Postgres` with the feature `postgres`, `sqlx::Sqlite` with the feature
/// `sqlite`. No other type can implement it.
pub trait OutboxDatabase: Store {}

#[cfg(feature = "postgres")]
impl OutboxDatabase for sqlx::Postgres {}

#[cfg(feature = "sqlite")]
impl OutboxDatabase for sqlx::Sqlite {}
