//! [`OutboxTable`]: look at the rows of an outbox, and decide about those that stopped.

use std::fmt;
use std::time::Duration;

use sqlx::Pool;

use crate::outbox_row::OutboxRow;
use crate::store::{Select, json};
use crate::{OutboxDatabase, OutboxError, RowState};

/// How many rows one statement deletes, so that it is short.
const PRUNE_PAGE: i64 = 1000;

/// The table `naq_outbox` of a database: its rows, and what an operator does with them.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use naq_outbox::{OutboxTable, RowState};
/// use sqlx::sqlite::SqlitePoolOptions;
///
/// let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
/// let table = OutboxTable::new(pool);
/// table.create().await?;
/// assert_eq!(table.count(RowState::Pending).await?, 0);
/// assert_eq!(table.list(&[RowState::Failed], 0, 20).await?, []);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
pub struct OutboxTable<DB: OutboxDatabase> {
    pool: Pool<DB>,
}

impl<DB: OutboxDatabase> OutboxTable<DB> {
    /// The SQL that creates the table and its indexes, to copy into the migrations of an application.
    pub const SCHEMA: &'static str = DB::SCHEMA;

    /// The table of the database of `pool`.
    pub fn new(pool: Pool<DB>) -> Self {
        Self { pool }
    }

    /// Creates the table and its indexes, unless they exist.
    ///
    /// # Errors
    /// [`OutboxError::Database`].
    pub async fn create(&self) -> Result<(), OutboxError> {
        Ok(DB::create(&self.pool).await?)
    }

    /// At most `limit` rows in these states, from the row after `after` on.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub async fn list(
        &self,
        states: &[RowState],
        after: i64,
        limit: u32,
    ) -> Result<Vec<OutboxRow>, OutboxError> {
        let select = Select { states: json(states), after, limit: limit.into() };
        Ok(DB::list(&self.pool, &select).await?)
    }

    /// How many rows are in this state.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub async fn count(&self, state: RowState) -> Result<u64, OutboxError> {
        let counts = DB::count(&self.pool).await?;
        let found = counts.into_iter().find(|(name, _)| name == state.as_str());
        Ok(found.map_or(0, |(_, count)| count.max(0) as u64))
    }

    /// Makes these failed and unclear rows pending again. Returns how many these were. For an unclear row this means:
    /// publish it unless the broker still knows the job.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub async fn retry(&self, rows: &[i64]) -> Result<u64, OutboxError> {
        Ok(DB::retry(&self.pool, Some(&json(rows))).await?)
    }

    /// Makes all failed and unclear rows pending again. Returns how many these were.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub async fn retry_all(&self) -> Result<u64, OutboxError> {
        Ok(DB::retry(&self.pool, None).await?)
    }

    /// Gives these rows up: they are never published, and the later rows of their order keys go on. Leaves out rows
    /// that are published, or that a relay has. Returns how many were given up.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub async fn discard(&self, rows: &[i64]) -> Result<u64, OutboxError> {
        Ok(DB::discard(&self.pool, &json(rows)).await?)
    }

    /// Deletes the rows that were published or discarded at least `age` ago. Returns how many these were.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub async fn prune(&self, age: Duration) -> Result<u64, OutboxError> {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX / 2);
        let mut pruned = 0;
        loop {
            let now = DB::prune(&self.pool, age, PRUNE_PAGE).await?;
            pruned += now;
            if now < PRUNE_PAGE as u64 {
                return Ok(pruned);
            }
        }
    }
}

impl<DB: OutboxDatabase> fmt::Debug for OutboxTable<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxTable").finish_non_exhaustive()
    }
}
