//! An idempotent handler. NAQ runs a job at least once: after a failure between "charged" and
//! "done" it runs again, and must not charge again. With the job's key the other side knows the
//! second call for the first.

use naq::{Context, ErrorKind, Job, JobError};
use serde::{Deserialize, Serialize};

use super::Shop;

/// Charges a card.
#[derive(Debug, Serialize, Deserialize)]
pub struct Charge {
    /// How much.
    pub cents: u32,
    /// How many answers of the gateway are lost on their way back, after it has charged.
    pub lost_answers: u32,
}

/// The connection broke before the receipt came. The money may be gone or not: only asking again
/// tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("connection lost before the receipt came")]
pub struct GatewayError;

impl Job for Charge {
    const NAME: &'static str = "demo.payment";
    type Output = String;
}

impl JobError for GatewayError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::CONNECTION
    }
}

/// Charges once, however often it runs.
///
/// # Errors
/// The gateway's answer was lost.
pub async fn charge(job: Charge, cx: Context<Shop>) -> Result<String, GatewayError> {
    let account = cx.state().charge(cx.dedup_key());
    if cx.attempt() <= job.lost_answers {
        return Err(GatewayError);
    }
    Ok(format!("{} calls, {} charge of {} cents", account.calls, account.charges, job.cents))
}
