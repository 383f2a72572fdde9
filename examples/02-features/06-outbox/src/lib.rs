//! A shop: an order and the job that ships it are stored together, or neither is.

use naq::JobId;
use naq::prelude::*;
use naq_outbox::{OutboxError, OutboxTable, SqliteOutbox};
use sqlx::SqlitePool;
use sqlx::sqlite::SqlitePoolOptions;

/// Ships an order.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(name = "order.ship", output = String)]
pub struct ShipOrder {
    /// The number of the order.
    pub order: i64,
}

/// Why an order was not placed.
#[derive(Debug)]
pub enum OrderError {
    /// There is not enough money.
    NoMoney,
    /// The database.
    Database(OutboxError),
}

impl std::fmt::Display for OrderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoMoney => f.write_str("not enough money"),
            Self::Database(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OrderError {}

impl From<OutboxError> for OrderError {
    fn from(error: OutboxError) -> Self {
        Self::Database(error)
    }
}

impl From<sqlx::Error> for OrderError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Opens a database in memory, with the tables of the shop and of the outbox.
pub async fn open_database() -> Result<SqlitePool, OutboxError> {
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    sqlx::raw_sql("CREATE TABLE orders (id INTEGER PRIMARY KEY, cents INTEGER NOT NULL)")
        .execute(&pool)
        .await?;
    OutboxTable::new(pool.clone()).create().await?;
    Ok(pool)
}

/// Places an order, and enqueues the job that ships it, in one transaction.
pub async fn place_order(
    pool: &SqlitePool,
    outbox: &SqliteOutbox,
    cents: i64,
    money: i64,
) -> Result<JobId, OrderError> {
    let mut tx = pool.begin().await?;
    let row =
        sqlx::query("INSERT INTO orders (cents) VALUES ($1)").bind(cents).execute(&mut *tx).await?;
    let ship = outbox.client().enqueue(ShipOrder { order: row.last_insert_rowid() });
    let id = outbox.enqueue(&mut tx, ship.max_retries(5)).await?;
    if cents > money {
        // The transaction is rolled back: no order, and no job.
        return Err(OrderError::NoMoney);
    }
    tx.commit().await?;
    Ok(id)
}

/// The tasks of the shop.
pub fn registry() -> Registry<()> {
    Registry::new().task(ship_order)
}

async fn ship_order(job: ShipOrder, _: Context) -> Result<String, Failure> {
    Ok(format!("order {} is on its way", job.order))
}
