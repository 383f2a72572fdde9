//! A rate of exchange: better an old one than none.

use std::time::Duration;

use naq::{Context, Failure, Job, JobOptions, RetryPolicy};
use serde::{Deserialize, Serialize};

use crate::bank::{Bank, BankError};

/// Asks for the rate of a currency.
#[derive(Debug, Serialize, Deserialize)]
pub struct Rate {
    /// Which.
    pub currency: String,
}

impl Job for Rate {
    const NAME: &'static str = "rate.fetch";
    type Output = f64;

    fn options() -> JobOptions {
        let policy = RetryPolicy::builder().max_retries(1).delay(Duration::from_millis(50));
        JobOptions::new().policy(policy.build())
    }
}

/// Asks the bank.
///
/// # Errors
/// What the bank says.
pub async fn rate(job: Rate, cx: Context<Bank>) -> Result<f64, BankError> {
    cx.state().rate(&job.currency)
}

/// The fallback: runs where the failure would be the end of the job, and then is its result.
///
/// # Errors
/// None here; one would be the end of the job.
pub async fn yesterdays_rate(_job: Rate, _cx: Context<Bank>) -> Result<f64, Failure> {
    Ok(1.07)
}
