//! `naq outbox`: the relay of an outbox, and its rows.

mod create_table;
mod database;
mod relay;
mod rows;

use anyhow::Result;
use clap::Subcommand;

use self::create_table::CreateTableArgs;
use self::relay::RelayArgs;
use self::rows::{DiscardArgs, ListArgs, RetryArgs};
use crate::connection::ClientConfig;
use crate::exit::ExitCode;
use crate::output::Output;
use crate::runtime::runtime;

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  naq outbox create-table --database-url sqlite:shop.db
  naq outbox relay --database-url postgres://shop@localhost/shop
  naq outbox list
  naq outbox retry --all

The database is in --database-url or DATABASE_URL. A password does not belong into the command
line: use the variable, PGPASSWORD or ~/.pgpass (docs/outbox.md).")]
pub(crate) enum OutboxCommand {
    /// Publish the rows of an outbox until stopped
    Relay(RelayArgs),
    /// List the rows that are pending, failed or unclear; needs no broker
    List(ListArgs),
    /// Publish failed and unclear rows again; needs no broker
    Retry(RetryArgs),
    /// Give rows up, so that the later rows of their order keys go on; needs no broker
    Discard(DiscardArgs),
    /// Create the table of an outbox, or print its SQL; needs no broker
    CreateTable(CreateTableArgs),
}

impl OutboxCommand {
    /// Whether the command runs until it is stopped.
    pub(crate) fn is_long_lived(&self) -> bool {
        matches!(self, Self::Relay(args) if !args.is_once())
    }

    /// Whether the command connects to a broker.
    pub(crate) fn needs_broker(&self) -> bool {
        matches!(self, Self::Relay(_))
    }

    pub(crate) fn run(
        &self,
        config: impl FnOnce() -> Result<ClientConfig>,
        out: Output,
    ) -> Result<ExitCode> {
        match self {
            Self::Relay(args) => {
                let config = config()?;
                runtime()?.block_on(args.run(config, out))
            }
            Self::List(args) => runtime()?.block_on(args.run(out)),
            Self::Retry(args) => runtime()?.block_on(args.run(out)),
            Self::Discard(args) => {
                args.check(out)?;
                runtime()?.block_on(args.run(out))
            }
            Self::CreateTable(args) => runtime()?.block_on(args.run(out)),
        }
    }
}
