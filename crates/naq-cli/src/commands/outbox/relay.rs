//! `naq outbox relay`.

use std::pin::pin;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use naq_client::Client;
use naq_outbox::{OutboxDatabase, Relay, Relayed};
use sqlx::Pool;

use super::database::{Database, DatabaseArgs};
use crate::connection::{ClientConfig, connect};
use crate::exit::ExitCode;
use crate::large_args::LargeArgsArg;
use crate::output::Output;
use crate::stop_signal::stop_signal;
use crate::text::{count, parse_duration};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq outbox relay --database-url postgres://shop@localhost/shop
  naq outbox relay --database-url sqlite:shop.db --poll 20ms --keep 1d
  naq outbox relay --once -o json            publish what is there, and end

Several relays can run at once: each row is published once, and rows with the same order key in
their order. While the broker or the database is away, the relay waits. SIGTERM or Ctrl-C ends it,
after the rows that it has taken. Rows that fail are in `naq outbox list`.")]
pub(crate) struct RelayArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Publish the rows that are there, and end; waits for no broker
    #[arg(long)]
    once: bool,
    /// How many rows to take at once
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,
    /// How often to look for new rows while there are none
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = parse_duration)]
    poll: Duration,
    /// How long no other relay takes the rows of this one, if it dies; at least 10s
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = parse_duration)]
    lease: Duration,
    /// How long published rows stay in the table
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_duration)]
    keep: Duration,
    /// After how many refusals a row fails, if the reason is not known
    #[arg(long, value_name = "N", default_value_t = 10)]
    max_attempts: u32,
    /// Publish also rows that the broker may have had, and whose record has expired: such a job can run
    /// twice
    #[arg(long)]
    publish_unclear: bool,
    #[command(flatten)]
    large_args: LargeArgsArg,
}

impl RelayArgs {
    pub(super) fn is_once(&self) -> bool {
        self.once
    }

    pub(super) async fn run(&self, mut config: ClientConfig, out: Output) -> Result<ExitCode> {
        "naq-outbox".clone_into(&mut config.nats.name);
        config.nats.wait_for_broker = !self.once;
        // Before anything waits, so that a signal is not missed.
        let mut stop = pin!(stop_signal()?);
        let database = self.database.open().await?;
        let client = tokio::select! {
            client = connect(config) => client?.large_args(self.large_args.into()),
            () = &mut stop => return Ok(ExitCode::Ok),
        };
        let done = match database {
            Database::Postgres(pool) => self.relay(pool, client, stop).await?,
            Database::Sqlite(pool) => self.relay(pool, client, stop).await?,
        };
        out.one(&done, || words(&done))?;
        Ok(ExitCode::Ok)
    }

    async fn relay<DB: OutboxDatabase>(
        &self,
        pool: Pool<DB>,
        client: Client,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Relayed> {
        let relay = Relay::new(pool, client)
            .batch(self.batch)
            .poll_every(self.poll)
            .lease(self.lease)
            .keep_published(self.keep)
            .max_attempts(self.max_attempts)
            .publish_unclear(self.publish_unclear);
        if self.once {
            return Ok(relay.run_once().await?);
        }
        tracing::info!("the relay looks for rows");
        Ok(relay.run(stop).await?)
    }
}

fn words(done: &Relayed) -> String {
    let mut words = format!("published {}", count(done.published, "row"));
    for (number, what) in [
        (done.duplicates, "there already"),
        (done.refused, "refused"),
        (done.unanswered, "without an answer"),
        (done.failed, "failed"),
        (done.unclear, "unclear"),
        (done.pruned, "pruned"),
    ] {
        if number > 0 {
            words.push_str(&format!(", {number} {what}"));
        }
    }
    words
}
