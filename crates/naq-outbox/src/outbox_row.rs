//! [`OutboxRow`]: a row, for people who look at it.

use naq_core::clock::Timestamp;
use serde::Serialize;

use crate::RowState;

/// The columns of a row, as the query of every database returns them.
pub(crate) type RowColumns = (
    i64,
    String,
    String,
    String,
    Option<String>,
    String,
    i64,
    Option<String>,
    i64,
    Option<i64>,
    Option<i64>,
);

/// A row of the outbox, without its message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OutboxRow {
    /// Its number. Rows are inserted with growing numbers.
    pub row: i64,
    /// The queue of the job.
    pub queue: String,
    /// The id of the job.
    pub job_id: String,
    /// The task of the job.
    pub task: String,
    /// Its order key.
    pub order_key: Option<String>,
    /// Where it stands. `None` if another program wrote a word that is not a state.
    pub state: Option<RowState>,
    /// How often the broker refused it.
    pub attempts: u64,
    /// Why the broker refused it last, or why it waits.
    pub error: Option<String>,
    /// When it was inserted, by the clock of the database.
    pub created_at: Timestamp,
    /// Since when the broker may have the job, if that is not certain.
    pub offered_at: Option<Timestamp>,
    /// When it was published or discarded.
    pub settled_at: Option<Timestamp>,
}

impl OutboxRow {
    pub(crate) fn read(columns: RowColumns) -> Self {
        let time = |millis: i64| Timestamp::from_millis(millis.max(0) as u64);
        let (
            row,
            queue,
            job_id,
            task,
            order_key,
            state,
            attempts,
            error,
            created,
            offered,
            settled,
        ) = columns;
        Self {
            row,
            queue,
            job_id,
            task,
            order_key,
            state: state.parse().ok(),
            attempts: attempts.max(0) as u64,
            error,
            created_at: time(created),
            offered_at: offered.map(time),
            settled_at: settled.map(time),
        }
    }
}
