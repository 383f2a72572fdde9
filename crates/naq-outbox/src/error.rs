//! [`OutboxError`]: why a call of the outbox failed.

use naq_client::EnqueueError;

/// A call of the outbox failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// The job cannot be written: its options, its names or its size are not valid.
    #[error(transparent)]
    Job(#[from] EnqueueError),
    /// The order key is not valid.
    #[error("order key of {0} bytes: it has 1 to {max}", max = crate::MAX_ORDER_KEY)]
    OrderKey(usize),
    /// The database has no table `naq_outbox`: create it with [`OutboxTable::create`](crate::OutboxTable::create).
    #[error("the database has no table naq_outbox")]
    NoTable,
    /// The database.
    #[error("the database: {0}")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for OutboxError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error() {
            // PostgreSQL: undefined_table. SQLite says it only in words.
            Some(cause)
                if cause.code().as_deref() == Some("42P01")
                    || cause.message().starts_with("no such table") =>
            {
                Self::NoTable
            }
            _ => Self::Database(error),
        }
    }
}
