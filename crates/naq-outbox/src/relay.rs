//! [`Relay`]: publishes the rows of an outbox.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use naq_client::Client;
use naq_core::wire::Nonce;
use sqlx::Pool;
use tokio::time::{Instant, timeout};

use crate::batch::{Batch, PublishedBatch, Publishing};
use crate::decide::relay_wait;
use crate::relayed::Relayed;
use crate::store::Take;
use crate::{OutboxDatabase, OutboxError, OutboxTable};

/// How often a relay deletes old rows, at most.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// Publishes the rows of an outbox: takes some, sends them to the broker, marks them, and prunes old ones. It runs in
/// a task of any process, for example beside a worker, or with `naq outbox relay`. Several relays can run at once.
///
/// ```no_run
/// # #[cfg(feature = "sqlite")]
/// # async fn f(client: naq_client::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use naq_outbox::Relay;
/// use sqlx::SqlitePool;
///
/// let pool = SqlitePool::connect("sqlite:shop.db").await?;
/// let relay = Relay::new(pool, client);
/// let stop = async { /* such as tokio::signal::ctrl_c() */ };
/// let done = relay.run(stop).await?;
/// println!("{} jobs published", done.published);
/// # Ok(())
/// # }
/// ```
pub struct Relay<DB: OutboxDatabase> {
    pool: Pool<DB>,
    client: Client,
    /// Its name in the column `taken_by`.
    id: String,
    batch: u32,
    poll_every: Duration,
    lease: Duration,
    keep_published: Duration,
    max_attempts: u32,
    publish_unclear: bool,
}

impl<DB: OutboxDatabase> Relay<DB> {
    /// A relay from the database of `pool` to the broker of `client`. The client signs and encrypts nothing: the rows
    /// are published as they are.
    pub fn new(pool: Pool<DB>, client: Client) -> Self {
        Self {
            pool,
            client,
            id: format!("relay-{}", Nonce::random()),
            batch: 500,
            poll_every: Duration::from_millis(100),
            lease: Duration::from_secs(60),
            keep_published: Duration::from_secs(3600),
            max_attempts: 10,
            publish_unclear: false,
        }
    }

    /// How many rows it takes at once. 500 by default.
    #[must_use]
    pub fn batch(mut self, rows: u32) -> Self {
        self.batch = rows.max(1);
        self
    }

    /// How often it asks the database for new rows while there are none. 100 ms by default: ten short queries a
    /// second for each relay, and on average 50 ms from commit to publish.
    #[must_use]
    pub fn poll_every(mut self, interval: Duration) -> Self {
        self.poll_every = interval.max(Duration::from_millis(1));
        self
    }

    /// How long no other relay takes the rows that this one has. If it crashes, they wait for that time. 60 seconds
    /// by default, and at least 10 seconds: a relay sends nothing in the second half.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_secs(10));
        self
    }

    /// How long published rows stay in the table, without their message. 1 hour by default. With zero they are
    /// deleted after each batch.
    #[must_use]
    pub fn keep_published(mut self, age: Duration) -> Self {
        self.keep_published = age;
        self
    }

    /// After how many refusals for a reason that it does not know a row fails. 10 by default, which takes about eight minutes.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// Publishes also rows that the broker may have had so long ago that no record is left to tell: jobs can then run
    /// twice. By default they become [`Unclear`](crate::RowState::Unclear), and an operator decides.
    #[must_use]
    pub fn publish_unclear(mut self, yes: bool) -> Self {
        self.publish_unclear = yes;
        self
    }

    /// Works until `stop` is ready, and finishes the batch that it has. While the broker or the database is away it
    /// waits, longer each time, up to 10 seconds.
    ///
    /// # Errors
    /// [`OutboxError`] if the first look at the table fails: the address or the table is wrong.
    pub async fn run(&self, stop: impl Future<Output = ()>) -> Result<Relayed, OutboxError> {
        DB::has_rows(&self.pool).await?;
        let mut stop = pin!(stop);
        let mut all = Relayed::default();
        let mut failures = 0;
        let mut pruned_at = None;
        loop {
            let wait = match self.step(&mut pruned_at).await {
                Ok(Some(done)) => {
                    all += done;
                    failures = if done.has_no_answer() { failures + 1 } else { 0 };
                    match done.taken {
                        0 => self.poll_every,
                        _ if failures > 0 => relay_wait(failures, self.poll_every),
                        _ => Duration::ZERO,
                    }
                }
                Ok(None) => {
                    failures += 1;
                    relay_wait(failures, self.poll_every)
                }
                Err(error) => {
                    tracing::warn!(%error, "the outbox cannot be read; the relay tries again");
                    failures += 1;
                    relay_wait(failures, self.poll_every)
                }
            };
            if timeout(wait, &mut stop).await.is_ok() {
                return Ok(all);
            }
        }
    }

    /// Publishes all rows that can be taken now, and returns. For tests, and for a command that runs now and then.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub async fn run_once(&self) -> Result<Relayed, OutboxError> {
        let mut all = Relayed::default();
        loop {
            let done = self.relay_batch().await?;
            all += done;
            if done.taken == 0 || done.has_no_answer() {
                all.pruned +=
                    OutboxTable::new(self.pool.clone()).prune(self.keep_published).await?;
                return Ok(all);
            }
        }
    }

    /// One batch, and the rows that are too old. `None` while there is no connection to the broker.
    async fn step(&self, pruned_at: &mut Option<Instant>) -> Result<Option<Relayed>, OutboxError> {
        // A row that is taken now would only be in doubt.
        if !self.client.transport().is_connected() {
            return Ok(None);
        }
        let mut done = self.relay_batch().await?;
        let every = PRUNE_EVERY.min(self.keep_published);
        if pruned_at.is_none_or(|at| at.elapsed() >= every) {
            done.pruned = OutboxTable::new(self.pool.clone()).prune(self.keep_published).await?;
            *pruned_at = Some(Instant::now());
        }
        Ok(Some(done))
    }

    async fn relay_batch(&self) -> Result<Relayed, OutboxError> {
        match self.take().await? {
            Some(batch) => {
                let done = batch.publish(&self.publishing()).await;
                self.mark(&done).await
            }
            None => Ok(Relayed::default()),
        }
    }

    pub(crate) fn publishing(&self) -> Publishing<'_> {
        Publishing {
            client: &self.client,
            max_attempts: self.max_attempts,
            publish_unclear: self.publish_unclear,
        }
    }

    /// The third step: marks the rows.
    pub(crate) async fn mark(&self, done: &PublishedBatch) -> Result<Relayed, OutboxError> {
        DB::settle(&self.pool, &self.id, &done.settled).await?;
        for row in done.settled.iter().filter(|row| row.state.is_stopped()) {
            let why = row.error.as_deref().unwrap_or_default();
            tracing::warn!(row = row.seq, state = %row.state, why, "a row of the outbox stopped");
        }
        Ok(done.counts())
    }

    /// The first step: takes rows. `None` if there are none.
    pub(crate) async fn take(&self) -> Result<Option<Batch>, OutboxError> {
        // In the second half of the lease nothing is sent, so that another relay cannot be sending the same rows.
        let send_until = Instant::now() + self.lease / 2;
        if !DB::has_rows(&self.pool).await? {
            return Ok(None);
        }
        let lease_ms = i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX / 2);
        let take = Take { by: &self.id, limit: self.batch.into(), lease_ms };
        let rows = DB::take(&self.pool, &take).await?;
        Ok((!rows.is_empty()).then(|| Batch::new(rows, send_until)))
    }
}

impl<DB: OutboxDatabase> fmt::Debug for Relay<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("id", &self.id).finish_non_exhaustive()
    }
}
