//! A database transaction. Its error kinds have one parent, so a policy can name all of them
//! (`DatabaseError`) or one (`DatabaseError.deadlock`).

use naq::{Context, ErrorKind, Job, JobError};
use serde::{Deserialize, Serialize};

use super::{Shop, fail_as_planned};

/// Writes an order.
#[derive(Debug, Serialize, Deserialize)]
pub struct SaveOrder {
    /// The number of the order.
    pub order: u32,
    /// What goes wrong, attempt by attempt.
    pub faults: Vec<DatabaseError>,
}

/// Why a transaction failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum DatabaseError {
    /// The server does not listen.
    #[error("connection refused")]
    Refused,
    /// Two transactions waited for each other, and the server rolled this one back.
    #[error("deadlock detected, the transaction was rolled back")]
    Deadlock,
    /// No connection was free.
    #[error("no free connection in the pool")]
    PoolExhausted,
    /// A row with this key exists already.
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

/// Writes the order in one transaction, so a failed attempt stores nothing.
///
/// # Errors
/// The fault of this attempt.
pub async fn save_order(job: SaveOrder, cx: Context<Shop>) -> Result<String, DatabaseError> {
    fail_as_planned(&job.faults, cx.attempt())?;
    Ok(format!("order {} saved", job.order))
}
