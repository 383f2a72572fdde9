//! [`NewRow`]: a job as a row that is not inserted yet; [`OutboxJob`]: what becomes one.

use bytes::Bytes;
use naq_client::{Client, WriteJob, WrittenJob};
use naq_core::names::JobId;

use crate::{MAX_ORDER_KEY, OutboxError};

/// A job as a row that is not inserted yet.
#[derive(Debug)]
pub struct NewRow {
    pub(crate) queue: String,
    pub(crate) id: JobId,
    pub(crate) task: String,
    pub(crate) order_key: Option<String>,
    pub(crate) due_ms: Option<i64>,
    pub(crate) id_rule: &'static str,
    pub(crate) headers: String,
    pub(crate) body: Bytes,
    pub(crate) args: Option<Bytes>,
}

impl NewRow {
    fn of(job: WrittenJob) -> Self {
        let task = job.envelope().map_or_else(String::new, |it| it.task.to_string());
        let WrittenJob { submission, large_args, once } = job;
        let headers: Vec<_> = submission.message.headers().collect();
        Self {
            queue: submission.key.queue.to_string(),
            id: submission.key.id,
            task,
            order_key: None,
            due_ms: submission.due_at.and_then(|at| i64::try_from(at.as_millis()).ok()),
            id_rule: match (once, submission.unique) {
                (true, _) => "once",
                (false, true) => "chosen",
                (false, false) => "random",
            },
            // Pairs of texts can always be written as JSON.
            headers: serde_json::to_string(&headers).unwrap_or_default(),
            body: submission.message.body,
            args: large_args,
        }
    }
}

/// What [`Outbox::enqueue`](crate::Outbox::enqueue) takes: a job, a job with options as
/// [`Client::enqueue`] makes it, or one of these with an order key, from [`in_order`].
pub trait OutboxJob {
    #[doc(hidden)]
    fn into_row(self, client: &Client) -> Result<NewRow, OutboxError>;
}

impl<W: WriteJob> OutboxJob for W {
    fn into_row(self, client: &Client) -> Result<NewRow, OutboxError> {
        Ok(NewRow::of(self.write_job(client)?))
    }
}

/// A job with an order key. Made by [`in_order`].
#[derive(Debug, Clone)]
pub struct InOrder<W> {
    key: String,
    job: W,
}

/// Gives a job an order key. Rows with the same key are published one after the other, in the order in which
/// their transactions inserted them, also by several relays. On PostgreSQL a transaction that inserts a row with
/// a key waits for other open transactions that did so.
///
/// The key is about publishing. Workers run the jobs in that order only if the queue has one slot.
///
/// ```
/// use naq_client::Client;
/// use naq_core::Job;
/// use naq_outbox::{Outbox, OutboxDatabase, OutboxError, in_order};
///
/// async fn two<DB: OutboxDatabase, J: Job>(
///     outbox: &Outbox<DB>,
///     tx: &mut DB::Connection,
///     opened: J,
///     paid: J,
/// ) -> Result<(), OutboxError> {
///     outbox.enqueue(tx, in_order("order-2317", opened)).await?;
///     outbox.enqueue(tx, in_order("order-2317", paid)).await?;
///     Ok(())
/// }
/// ```
pub fn in_order<W: WriteJob>(key: impl Into<String>, job: W) -> InOrder<W> {
    InOrder { key: key.into(), job }
}

impl<W: WriteJob> OutboxJob for InOrder<W> {
    fn into_row(self, client: &Client) -> Result<NewRow, OutboxError> {
        if !(1..=MAX_ORDER_KEY).contains(&self.key.len()) {
            return Err(OutboxError::OrderKey(self.key.len()));
        }
        let row = self.job.into_row(client)?;
        Ok(NewRow { order_key: Some(self.key), ..row })
    }
}
