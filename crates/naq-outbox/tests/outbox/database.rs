//! [`TestDatabase`]: a database for one test.

use std::path::Path;

use async_trait::async_trait;
use naq_outbox::OutboxDatabase;
use naq_testing::PostgresServer;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{Pool, Postgres, Sqlite};
use tempfile::TempDir;

/// A database that a test can start.
#[async_trait]
pub(crate) trait TestDatabase: OutboxDatabase {
    /// What has to live as long as the database.
    type Home: Send + Sync;

    async fn open() -> (Self::Home, Pool<Self>);

    /// Runs a statement, and returns how many rows it changed.
    async fn execute(pool: &Pool<Self>, sql: &str) -> u64;

    /// The numbers that a query finds.
    async fn numbers(pool: &Pool<Self>, sql: &str) -> Vec<i64>;

    /// The bytes that a query finds.
    async fn bytes(pool: &Pool<Self>, sql: &str) -> Vec<Vec<u8>>;
}

pub(crate) async fn open_sqlite(file: &Path) -> Pool<Sqlite> {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal);
    SqlitePoolOptions::new().max_connections(8).connect_with(options).await.unwrap()
}

async fn sqlite() -> (TempDir, Pool<Sqlite>) {
    let dir = tempfile::tempdir().unwrap();
    let pool = open_sqlite(&dir.path().join("test.db")).await;
    (dir, pool)
}

async fn postgres() -> (PostgresServer, Pool<Postgres>) {
    let server = PostgresServer::start().unwrap();
    let pool = PgPoolOptions::new().max_connections(20).connect(&server.url()).await.unwrap();
    (server, pool)
}

macro_rules! test_database {
    ($database:ty, $home:ty, $open:ident) => {
        #[async_trait]
        impl TestDatabase for $database {
            type Home = $home;

            async fn open() -> ($home, Pool<Self>) {
                $open().await
            }

            async fn execute(pool: &Pool<Self>, sql: &str) -> u64 {
                sqlx::query(sql).execute(pool).await.unwrap().rows_affected()
            }

            async fn numbers(pool: &Pool<Self>, sql: &str) -> Vec<i64> {
                sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
            }

            async fn bytes(pool: &Pool<Self>, sql: &str) -> Vec<Vec<u8>> {
                sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
            }
        }
    };
}

test_database!(Sqlite, TempDir, sqlite);
test_database!(Postgres, PostgresServer, postgres);

/// Makes two tests of each function: one on SQLite, one on PostgreSQL.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name::<sqlx::Sqlite>().await;
            })*
        }

        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name::<sqlx::Postgres>().await;
            })*
        }
    };
}
pub(crate) use on_both;
