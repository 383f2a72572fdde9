//! An idempotent handler. NAQ runs a job at least once. If an attempt fails after the charge, the job
//! runs again, and must not charge again. The handler sends the job's key, so the gateway knows that
//! the second call is the same charge.

use naq::{Context, ErrorKind, Job, JobError};
use serde::{Deserialize, Serialize};

use super::Shop;

/// Charges a card.
#[derive(Debug, Serialize, Deserialize)]
pub struct Charge {
    /// The amount.
    pub cents: u32,
    /// How many answers of the gateway are lost after it has charged.
    pub lost_answers: u32,
}

/// The connection broke before the receipt arrived. Only a second call shows whether the gateway has
/// charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("connection lost before the receipt arrived")]
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

/// Charges once, even if the job runs several times.
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
