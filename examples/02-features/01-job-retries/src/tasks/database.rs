//! A database transaction: kinds of one's own, below one parent, so that a policy can name all of
//! them (`DatabaseError`) or one (`DatabaseError.deadlock`).

use naq::{Context, ErrorKind, Job, JobError};
use serde::{Deserialize, Serialize};

use super::{Shop, play};

/// Writes an order.
#[derive(Debug, Serialize, Deserialize)]
pub struct SaveOrder {
    /// Which.
    pub order: u32,
    /// What goes wrong, attempt by attempt.
    pub faults: Vec<DatabaseError>,
}

/// Why a transaction failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum DatabaseError {
    /// The server is not there.
    #[error("connection refused")]
    Refused,
    /// Two transactions waited for each other, and this one was sacrificed.
    #[error("deadlock detected, the transaction was rolled back")]
    Deadlock,
    /// No connection was free.
    #[error("no free connection in the pool")]
    PoolExhausted,
    /// A row of this key exists.
    #[error("duplicate key violates a unique constraint")]
    Constraint,
}

impl Job for SaveOrder {
    const NAME: &'static str = "demo.database";
    type Output = String;
}

impl JobError for DatabaseError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused => "ConnectionError.refused",
            Self::Deadlock => "DatabaseError.deadlock",
            Self::PoolExhausted => "DatabaseError.pool",
            Self::Constraint => "DatabaseError.constraint",
        }
        .into()
    }
}

/// Writes the order in one transaction, so that an attempt that fails leaves nothing behind.
///
/// # Errors
/// The fault of this attempt.
pub async fn save_order(job: SaveOrder, cx: Context<Shop>) -> Result<String, DatabaseError> {
    play(&job.faults, cx.attempt())?;
    Ok(format!("order {} saved", job.order))
}
