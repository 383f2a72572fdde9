//! `--database-url`: the database that an outbox is in.

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{PgPool, SqlitePool};

use crate::exit::CliError;

/// How long a command waits for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(crate) struct DatabaseArgs {
    /// The database: postgres://USER@HOST/DATABASE or sqlite:FILE
    #[arg(long, env = "DATABASE_URL", value_name = "URL")]
    database_url: Option<String>,
}

/// A connected database.
#[derive(Debug)]
pub(crate) enum Database {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

impl DatabaseArgs {
    /// Connects to the database.
    ///
    /// # Errors
    /// There is no address, or no database at it.
    pub(crate) async fn open(&self) -> Result<Database> {
        let Some(url) = &self.database_url else {
            return Err(CliError::usage("no database is given")
                .next("give its address: --database-url postgres://USER@HOST/DATABASE, or DATABASE_URL")
                .into());
        };
        let scheme = url.split(':').next().unwrap_or_default();
        match scheme {
            "postgres" | "postgresql" => {
                let pool = PgPoolOptions::new().max_connections(4).acquire_timeout(CONNECT_TIMEOUT);
                let pool =
                    pool.connect(url).await.context("cannot open the PostgreSQL database")?;
                Ok(Database::Postgres(pool))
            }
            "sqlite" => {
                let pool = SqlitePoolOptions::new().max_connections(4);
                let pool = pool.acquire_timeout(CONNECT_TIMEOUT).connect(url).await;
                Ok(Database::Sqlite(pool.context("cannot open the SQLite database")?))
            }
            // The rest of the address may have a password.
            _ => Err(CliError::usage(
                "the address of the database begins with neither postgres: nor sqlite:",
            )
            .next("use --database-url postgres://USER@HOST/DATABASE or --database-url sqlite:FILE")
            .into()),
        }
    }
}
