//! [`Store`]: the statements of the outbox, the same for each database. What differs is their text.

use async_trait::async_trait;
use sqlx::{Database, Pool};

use crate::new_row::NewRow;
use crate::outbox_row::OutboxRow;
use crate::settlement::Settlement;
use crate::taken_row::TakenRow;

/// How many rows one INSERT has. Each row has ten parameters; SQLite takes 32,766 of them.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) const ROWS_PER_INSERT: usize = 1000;

/// What a relay asks for.
#[derive(Debug)]
pub struct Take<'a> {
    /// The relay.
    pub(crate) by: &'a str,
    /// At most this many rows.
    pub(crate) limit: i64,
    /// For how long no other relay takes them.
    pub(crate) lease_ms: i64,
}

/// Which rows a list has.
#[derive(Debug)]
pub struct Select {
    /// A JSON list of the states.
    pub(crate) states: String,
    pub(crate) after: i64,
    pub(crate) limit: i64,
}

/// The statements of the outbox.
#[async_trait]
pub trait Store: Database {
    const SCHEMA: &'static str;

    async fn create(pool: &Pool<Self>) -> Result<(), sqlx::Error>;

    async fn insert(conn: &mut Self::Connection, rows: &[NewRow]) -> Result<(), sqlx::Error>;

    /// Whether a relay could take a row now. Locks nothing.
    async fn has_rows(pool: &Pool<Self>) -> Result<bool, sqlx::Error>;

    async fn take(pool: &Pool<Self>, take: &Take<'_>) -> Result<Vec<TakenRow>, sqlx::Error>;

    /// Writes into the rows that `by` still has. Returns how many these were.
    async fn settle(pool: &Pool<Self>, by: &str, rows: &[Settlement]) -> Result<u64, sqlx::Error>;

    async fn list(pool: &Pool<Self>, select: &Select) -> Result<Vec<OutboxRow>, sqlx::Error>;

    /// How many rows each state has.
    async fn count(pool: &Pool<Self>) -> Result<Vec<(String, i64)>, sqlx::Error>;

    /// Makes stopped rows pending: those of the JSON list, or all.
    async fn retry(pool: &Pool<Self>, rows: Option<&str>) -> Result<u64, sqlx::Error>;

    /// Gives up the stopped and pending rows of the JSON list that no relay has.
    async fn discard(pool: &Pool<Self>, rows: &str) -> Result<u64, sqlx::Error>;

    /// Deletes at most `limit` rows that were settled longer ago.
    async fn prune(pool: &Pool<Self>, age_ms: i64, limit: i64) -> Result<u64, sqlx::Error>;
}

/// The columns that an INSERT fills.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) const INSERT: &str = "INSERT INTO naq_outbox \
    (queue, job_id, task, order_key, due_ms, id_rule, headers, body, args, created_ms) ";

/// Implements [`Store`] for a database, with the statements of the module `$sql`. The methods are the same text for
/// each database; as generic functions each would need a dozen bounds.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
macro_rules! implement_store {
    ($database:ty, $sql:ident) => {
        #[async_trait::async_trait]
        impl $crate::store::Store for $database {
            const SCHEMA: &'static str = $sql::SCHEMA;

            async fn create(pool: &sqlx::Pool<Self>) -> Result<(), sqlx::Error> {
                sqlx::raw_sql($sql::SCHEMA).execute(pool).await.map(drop)
            }

            async fn insert(
                conn: &mut Self::Connection,
                rows: &[$crate::new_row::NewRow],
            ) -> Result<(), sqlx::Error> {
                let keys: Vec<_> = rows.iter().filter_map(|row| row.order_key.as_deref()).collect();
                if let Some(lock) = $sql::LOCK_ORDER_KEYS.filter(|_| !keys.is_empty()) {
                    let keys = $crate::store::json(&keys);
                    sqlx::query(lock).bind(keys).execute(&mut *conn).await?;
                }
                for rows in rows.chunks($crate::store::ROWS_PER_INSERT) {
                    let mut insert = sqlx::QueryBuilder::<Self>::new($crate::store::INSERT);
                    insert.push_values(rows, |mut values, row| {
                        values
                            .push_bind(row.queue.as_str())
                            .push_bind(row.id.as_str())
                            .push_bind(row.task.as_str())
                            .push_bind(row.order_key.as_deref())
                            .push_bind(row.due_ms)
                            .push_bind(row.id_rule)
                            .push_bind(row.headers.as_str())
                            .push_bind(&row.body[..])
                            .push_bind(row.args.as_deref())
                            .push($sql::NOW);
                    });
                    // A statement of many rows is not kept: each number of rows is another one.
                    insert.build().persistent(rows.len() == 1).execute(&mut *conn).await?;
                }
                Ok(())
            }

            async fn has_rows(pool: &sqlx::Pool<Self>) -> Result<bool, sqlx::Error> {
                let found = sqlx::query($sql::HAS_ROWS).fetch_optional(pool).await?;
                Ok(found.is_some())
            }

            async fn take(
                pool: &sqlx::Pool<Self>,
                take: &$crate::store::Take<'_>,
            ) -> Result<Vec<$crate::taken_row::TakenRow>, sqlx::Error> {
                let mut tx = pool.begin_with($sql::BEGIN).await?;
                let found = sqlx::query_as($sql::FIND).bind(take.limit).fetch_all(&mut *tx).await?;
                let mut rows: Vec<_> =
                    found.into_iter().map($crate::taken_row::TakenRow::read).collect();
                let keys = $crate::order::keys(&rows);
                if !keys.is_empty() {
                    let last = rows.iter().map(|row| row.seq).max().unwrap_or_default();
                    let open: Vec<(String, i64)> = sqlx::query_as($sql::OPEN_OF_KEYS)
                        .bind($crate::store::json(&keys))
                        .bind(last)
                        .fetch_all(&mut *tx)
                        .await?;
                    rows = $crate::order::only_first(rows, open);
                }
                let seqs: Vec<_> = rows.iter().map(|row| row.seq).collect();
                sqlx::query($sql::TAKE)
                    .bind($crate::store::json(&seqs))
                    .bind(take.by)
                    .bind(take.lease_ms)
                    .execute(&mut *tx)
                    .await?;
                tx.commit().await?;
                Ok(rows)
            }

            async fn settle(
                pool: &sqlx::Pool<Self>,
                by: &str,
                rows: &[$crate::settlement::Settlement],
            ) -> Result<u64, sqlx::Error> {
                let rows = $crate::store::json(rows);
                let done = sqlx::query($sql::SETTLE).bind(rows).bind(by).execute(pool).await?;
                Ok(done.rows_affected())
            }

            async fn list(
                pool: &sqlx::Pool<Self>,
                select: &$crate::store::Select,
            ) -> Result<Vec<$crate::outbox_row::OutboxRow>, sqlx::Error> {
                let found = sqlx::query_as($sql::LIST)
                    .bind(select.states.as_str())
                    .bind(select.after)
                    .bind(select.limit)
                    .fetch_all(pool)
                    .await?;
                Ok(found.into_iter().map($crate::outbox_row::OutboxRow::read).collect())
            }

            async fn count(pool: &sqlx::Pool<Self>) -> Result<Vec<(String, i64)>, sqlx::Error> {
                sqlx::query_as("SELECT state, COUNT(*) FROM naq_outbox GROUP BY state")
                    .fetch_all(pool)
                    .await
            }

            async fn retry(
                pool: &sqlx::Pool<Self>,
                rows: Option<&str>,
            ) -> Result<u64, sqlx::Error> {
                Ok(sqlx::query($sql::RETRY).bind(rows).execute(pool).await?.rows_affected())
            }

            async fn discard(pool: &sqlx::Pool<Self>, rows: &str) -> Result<u64, sqlx::Error> {
                Ok(sqlx::query($sql::DISCARD).bind(rows).execute(pool).await?.rows_affected())
            }

            async fn prune(
                pool: &sqlx::Pool<Self>,
                age_ms: i64,
                limit: i64,
            ) -> Result<u64, sqlx::Error> {
                let pruned =
                    sqlx::query($sql::PRUNE).bind(age_ms).bind(limit).execute(pool).await?;
                Ok(pruned.rows_affected())
            }
        }
    };
}
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use implement_store;

/// A list as JSON, which is how every statement takes one.
pub(crate) fn json<T: serde::Serialize + ?Sized>(list: &T) -> String {
    // Numbers, texts and options can always be written as JSON.
    serde_json::to_string(list).unwrap_or_default()
}
