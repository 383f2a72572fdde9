//! Measures the outbox beside plain enqueues, in one run: a nats-server, a PostgreSQL that waits for the disk at each
//! commit, and SQLite in a file. Prints rows a second, and how that compares with the two plain ways.
//!
//! ```text
//! cargo run --release -p naq-outbox --all-features --example measure_outbox
//! ```
#![expect(clippy::print_stdout, reason = "the program prints what it has measured")]

use std::sync::Arc;

use anyhow::{Result, ensure};
use naq_client::Client;
use naq_nats::{NatsConfig, NatsTransport};
use naq_outbox::{Outbox, OutboxDatabase, OutboxTable, Relay, in_order};
use naq_testing::{NatsServer, PostgresServer};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{PgPool, Pool, SqlitePool};
use tokio::time::Instant;

/// How many jobs are enqueued one by one.
const SINGLE: u32 = 2_000;
/// How many jobs are enqueued many at once.
const MANY: u32 = 20_000;
/// How many rows a transaction of many has.
const PAGE: u32 = 100;

/// A queue of its own for each measurement.
struct Measure {
    client: Client,
    single: f64,
    bulk: f64,
}

impl Measure {
    fn print(&self, what: &str, jobs: u32, since: Instant) -> f64 {
        let rate = f64::from(jobs) / since.elapsed().as_secs_f64();
        let ratio =
            |base: f64| if base > 0.0 { format!("{:.2}", rate / base) } else { "1".to_owned() };
        println!("{what:<48} {rate:>9.0} {:>12} {:>10}", ratio(self.single), ratio(self.bulk));
        rate
    }

    async fn plain(&mut self) -> Result<()> {
        let since = Instant::now();
        for n in 0..SINGLE {
            self.client.enqueue_task("count", &n)?.queue("plain").await?;
        }
        self.single = f64::from(SINGLE) / since.elapsed().as_secs_f64();
        let since = Instant::now();
        for page in 0..MANY / 1_000 {
            let jobs: Result<Vec<_>, _> = (page * 1_000..(page + 1) * 1_000)
                .map(|n| {
                    Ok::<_, naq_core::NameError>(
                        self.client.enqueue_task("count", &n)?.queue("bulk"),
                    )
                })
                .collect();
            for sent in self.client.enqueue_many(jobs?).await {
                sent?;
            }
        }
        self.bulk = f64::from(MANY) / since.elapsed().as_secs_f64();
        for (what, rate) in [
            ("Client::enqueue, one by one", self.single),
            ("enqueue_many, 1,000 a call", self.bulk),
        ] {
            println!(
                "{what:<48} {rate:>9.0} {:>12.2} {:>10.2}",
                rate / self.single,
                rate / self.bulk
            );
        }
        Ok(())
    }

    async fn outbox<DB: OutboxDatabase>(&self, name: &str, pool: Pool<DB>) -> Result<()> {
        let table = OutboxTable::new(pool.clone());
        table.create().await?;
        let outbox = Outbox::<DB>::new(self.client.clone());
        let job = |n: u32| {
            Ok::<_, naq_core::NameError>(self.client.enqueue_task("count", &n)?.queue("relayed"))
        };

        let since = Instant::now();
        for n in 0..SINGLE {
            let mut tx = pool.begin().await?;
            outbox.enqueue(&mut tx, job(n)?).await?;
            tx.commit().await?;
        }
        self.print(&format!("{name}: 1 row a transaction"), SINGLE, since);
        let since = Instant::now();
        for page in 0..MANY / 4 / PAGE {
            let mut tx = pool.begin().await?;
            for n in page * PAGE..(page + 1) * PAGE {
                outbox.enqueue(&mut tx, job(n)?).await?;
            }
            tx.commit().await?;
        }
        self.print(&format!("{name}: 100 rows a transaction, one by one"), MANY / 4, since);
        let since = Instant::now();
        for page in 0..MANY / PAGE {
            let jobs: Result<Vec<_>, _> = (page * PAGE..(page + 1) * PAGE).map(job).collect();
            let mut tx = pool.begin().await?;
            outbox.enqueue_all(&mut tx, jobs?).await?;
            tx.commit().await?;
        }
        self.print(&format!("{name}: 100 rows a transaction, enqueue_all"), MANY, since);

        let relay = || Relay::new(pool.clone(), self.client.clone());
        let since = Instant::now();
        let done = relay().run_once().await?;
        let rows = SINGLE + MANY / 4 + MANY;
        ensure!(done.published == u64::from(rows), "{done:?}");
        self.print(&format!("{name}: one relay"), rows, since);

        self.fill(&pool, &outbox, None).await?;
        let since = Instant::now();
        let (first, second) = (relay(), relay());
        let (first, second) = tokio::try_join!(first.run_once(), second.run_once())?;
        ensure!(first.published + second.published == u64::from(MANY), "{first:?} {second:?}");
        self.print(&format!("{name}: two relays"), MANY, since);

        for keys in [1_000, 10] {
            self.fill(&pool, &outbox, Some(keys)).await?;
            let since = Instant::now();
            let done = relay().run_once().await?;
            ensure!(done.published == u64::from(MANY), "{done:?}");
            self.print(&format!("{name}: one relay, {keys} order keys"), MANY, since);
        }
        Ok(())
    }

    async fn fill<DB: OutboxDatabase>(
        &self,
        pool: &Pool<DB>,
        outbox: &Outbox<DB>,
        keys: Option<u32>,
    ) -> Result<()> {
        let mut tx = pool.begin().await?;
        let jobs =
            (0..MANY).map(|n| Ok((n, self.client.enqueue_task("count", &n)?.queue("relayed"))));
        let jobs: Result<Vec<_>, naq_core::NameError> = jobs.collect();
        let jobs = jobs?;
        match keys {
            None => outbox.enqueue_all(&mut tx, jobs.into_iter().map(|(_, job)| job)).await?,
            Some(keys) => {
                let jobs =
                    jobs.into_iter().map(|(n, job)| in_order(format!("key {}", n % keys), job));
                outbox.enqueue_all(&mut tx, jobs).await?
            }
        };
        tx.commit().await?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let broker = NatsServer::start()?;
    let postgres = PostgresServer::start_durable()?;
    let dir = tempfile::tempdir()?;
    let transport = NatsTransport::connect(NatsConfig::new(broker.url())).await?;
    let mut measure = Measure { client: Client::new(Arc::new(transport)), single: 0.0, bulk: 0.0 };
    println!("{:<48} {:>9} {:>12} {:>10}", "", "jobs/s", "to enqueue", "to bulk");
    measure.plain().await?;
    measure.outbox("PostgreSQL", PgPool::connect(&postgres.url()).await?).await?;
    let options = SqliteConnectOptions::new().filename(dir.path().join("outbox.db"));
    let options = options.create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
    measure.outbox("SQLite", SqlitePool::connect_with(options).await?).await?;
    Ok(())
}
