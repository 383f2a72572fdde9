//! [`Outbox`]: enqueues jobs in the transaction of a database.

use std::fmt;
use std::marker::PhantomData;

use naq_client::Client;
use naq_core::names::JobId;

use crate::new_row::OutboxJob;
use crate::{OutboxDatabase, OutboxError};

/// Enqueues jobs in a transaction: the job is there if the transaction commits, and not if it is rolled back. A
/// [`Relay`](crate::Relay) publishes it after the commit. Cheap to clone.
///
/// Its client says how jobs are written: codec, default queue, signing key, encryption keys, layers. Nothing is sent
/// to the broker, so that a transaction does not wait for it and works while it is away.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # mod example {
/// use naq_client::Client;
/// use naq_core::Job;
/// use naq_outbox::SqliteOutbox;
///
/// async fn order_paid<J: Job>(
///     outbox: &SqliteOutbox,
///     pool: &sqlx::SqlitePool,
///     order: i64,
///     ship: J,
/// ) -> Result<(), Box<dyn std::error::Error>> {
///     let mut tx = pool.begin().await?;
///     sqlx::query("UPDATE orders SET paid = 1 WHERE id = $1").bind(order).execute(&mut *tx).await?;
///     let id = outbox.enqueue(&mut tx, outbox.client().enqueue(ship).max_retries(9)).await?;
///     tx.commit().await?;
///     println!("job {id}");
///     Ok(())
/// }
/// # }
/// ```
pub struct Outbox<DB> {
    client: Client,
    database: PhantomData<fn() -> DB>,
}

impl<DB: OutboxDatabase> Outbox<DB> {
    /// An outbox whose jobs are written by `client`.
    pub fn new(client: Client) -> Self {
        Self { client, database: PhantomData }
    }

    /// The client that writes the jobs. Its [`enqueue`](Client::enqueue) makes a job with options.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Inserts a job into the outbox, in the transaction of `tx`, and returns its id. The id does not change, however
    /// often a relay crashes. A delay begins now.
    ///
    /// # Errors
    /// [`OutboxError`]. The transaction should then be rolled back.
    ///
    /// # Panics
    /// When a job type has a `NAME` that is not a valid task name.
    pub async fn enqueue(
        &self,
        tx: &mut DB::Connection,
        job: impl OutboxJob,
    ) -> Result<JobId, OutboxError> {
        let row = job.into_row(&self.client)?;
        DB::insert(tx, std::slice::from_ref(&row)).await?;
        Ok(row.id)
    }

    /// Inserts many jobs, 1,000 with each statement. Returns their ids, in the order of the jobs. If one job
    /// cannot be written, none is inserted.
    ///
    /// ```
    /// # use naq_core::Job;
    /// # use naq_outbox::{Outbox, OutboxDatabase, OutboxError};
    /// # async fn f<DB: OutboxDatabase, J: Job>(outbox: &Outbox<DB>, tx: &mut DB::Connection, mails: Vec<J>) -> Result<(), OutboxError> {
    /// let jobs = mails.into_iter().map(|mail| outbox.client().enqueue(mail).tag("newsletter"));
    /// let ids = outbox.enqueue_all(tx, jobs).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`OutboxError`]. The transaction should then be rolled back.
    ///
    /// # Panics
    /// When a job type has a `NAME` that is not a valid task name.
    pub async fn enqueue_all<J: OutboxJob>(
        &self,
        tx: &mut DB::Connection,
        jobs: impl IntoIterator<Item = J>,
    ) -> Result<Vec<JobId>, OutboxError> {
        let rows: Result<Vec<_>, _> =
            jobs.into_iter().map(|job| job.into_row(&self.client)).collect();
        let rows = rows?;
        DB::insert(tx, &rows).await?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }
}

impl<DB> Clone for Outbox<DB> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), database: PhantomData }
    }
}

impl<DB> fmt::Debug for Outbox<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("client", &self.client).finish_non_exhaustive()
    }
}
