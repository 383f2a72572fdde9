//! A payment, under the bank's breaker.

use std::time::Duration;

use naq::{Context, Job, JobOptions, RetryPolicy};
use serde::{Deserialize, Serialize};

use crate::bank::{Bank, BankError};

/// Charges a card.
#[derive(Debug, Serialize, Deserialize)]
pub struct Charge {
    /// The card.
    pub card: String,
}

impl Job for Charge {
    const NAME: &'static str = "payment.charge";
    type Output = String;

    fn options() -> JobOptions {
        let policy = RetryPolicy::builder().max_retries(2).delay(Duration::from_millis(100));
        JobOptions::new().policy(policy.build())
    }
}

/// The handler does not know the breaker. While the breaker is open, the worker does not call it.
///
/// # Errors
/// The error of the bank. [`BankError`] has its kind.
pub async fn charge(job: Charge, cx: Context<Bank>) -> Result<String, BankError> {
    cx.state().charge(&job.card)
}
