//! A rate of exchange. An old rate is better than none.

use std::time::Duration;

use naq::{Context, Failure, Job, JobOptions, RetryPolicy};
use serde::{Deserialize, Serialize};

use crate::bank::{Bank, BankError};

/// Asks for the rate of a currency.
#[derive(Debug, Serialize, Deserialize)]
pub struct Rate {
    /// The currency.
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
/// The error of the bank.
pub async fn rate(job: Rate, cx: Context<Bank>) -> Result<f64, BankError> {
    cx.state().rate(&job.currency)
}

/// The fallback. It runs when the failure would end the job, and its result is then the job's result.
///
/// # Errors
/// None. An error would end the job.
pub async fn yesterdays_rate(_job: Rate, _cx: Context<Bank>) -> Result<f64, Failure> {
    Ok(1.07)
}
