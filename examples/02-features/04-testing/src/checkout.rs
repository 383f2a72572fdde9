//! What the web page calls: no handler, but code that enqueues.

use std::time::Duration;

use naq::{Client, EnqueueError};

use crate::jobs::{AskForReview, Charge};

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Takes an order. Pressing the button twice charges once.
///
/// # Errors
/// The broker did not take it.
pub async fn buy(client: &Client, order: u32) -> Result<(), EnqueueError> {
    client.enqueue(Charge { order }).unique(format!("order-{order}")).await?;
    client.enqueue_in(WEEK, AskForReview { order }).tag("marketing").queue("mail").await?;
    Ok(())
}
