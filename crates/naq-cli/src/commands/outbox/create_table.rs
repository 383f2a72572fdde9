//! `naq outbox create-table`.

use anyhow::Result;
use clap::{Args, ValueEnum};
use naq_outbox::OutboxTable;
use sqlx::{Postgres, Sqlite};

use super::database::{Database, DatabaseArgs};
use crate::exit::ExitCode;
use crate::output::Output;

/// The kind of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DatabaseKind {
    Postgres,
    Sqlite,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq outbox create-table --database-url sqlite:shop.db
  naq outbox create-table --print postgres > migrations/0007_naq_outbox.sql

It changes nothing if the table is there.")]
pub(crate) struct CreateTableArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Print the SQL for this kind of database instead, for the migrations of an application
    #[arg(long, value_enum, value_name = "KIND")]
    print: Option<DatabaseKind>,
}

impl CreateTableArgs {
    pub(super) async fn run(&self, out: Output) -> Result<ExitCode> {
        match self.print {
            Some(DatabaseKind::Postgres) => out.raw(OutboxTable::<Postgres>::SCHEMA.trim_end())?,
            Some(DatabaseKind::Sqlite) => out.raw(OutboxTable::<Sqlite>::SCHEMA.trim_end())?,
            None => {
                match self.database.open().await? {
                    Database::Postgres(pool) => OutboxTable::new(pool).create().await?,
                    Database::Sqlite(pool) => OutboxTable::new(pool).create().await?,
                }
                out.note("the table naq_outbox is there")?;
            }
        }
        Ok(ExitCode::Ok)
    }
}
