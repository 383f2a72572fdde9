//! The web page calls this code. It is not a handler: it enqueues jobs.

use std::time::Duration;

use naq::{Client, EnqueueError};

use crate::jobs::{AskForReview, Charge};

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Accepts an order. If a customer presses the button twice, the shop charges once.
///
/// # Errors
/// The broker did not store the job.
pub async fn buy(client: &Client, order: u32) -> Result<(), EnqueueError> {
    client.enqueue(Charge { order }).unique(format!("order-{order}")).await?;
    client.enqueue_in(WEEK, AskForReview { order }).tag("marketing").queue("mail").await?;
    Ok(())
}
