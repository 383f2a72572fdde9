//! The jobs and their handlers.

use std::sync::Arc;

use naq::prelude::*;

use crate::bank::{Bank, BankError, Receipt};

/// Charges the card, and then enqueues the shipping of the goods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Charge {
    /// The order's number.
    pub order: u32,
}

impl Job for Charge {
    const NAME: &'static str = "payment.charge";
    type Output = Receipt;

    /// The retries last longer than a week, because a bank may be closed that long: after 1 min, 2 min,
    /// 4 min, ... and then once a day.
    fn options() -> JobOptions {
        let policy = RetryPolicy::builder()
            .max_retries(24)
            .delay(std::time::Duration::from_secs(60))
            .strategy(Strategy::Exponential)
            .max_delay(std::time::Duration::from_secs(24 * 60 * 60))
            .ignore_on(["ValueError"])
            .build();
        JobOptions::new().queue("payments").policy(policy).on_exhausted_job("order.cancel")
    }
}

/// Packs a parcel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ship {
    /// The order's number.
    pub order: u32,
}

impl Job for Ship {
    const NAME: &'static str = "order.ship";
    type Output = ();
}

/// Asks the customer for a review.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AskForReview {
    /// The order's number.
    pub order: u32,
}

impl Job for AskForReview {
    const NAME: &'static str = "mail.review";
    type Output = ();
}

/// The state that all handlers share.
#[derive(Debug, Clone)]
pub struct Shop {
    /// The bank that charges the cards.
    pub bank: Arc<dyn Bank>,
}

/// All handlers, for the worker and for the tests.
pub fn registry(shop: Shop) -> Registry<Shop> {
    Registry::with_state(shop)
        .classify::<BankError>()
        .task(charge)
        .task(ship)
        .task(ask_for_review)
        .raw("order.cancel", cancel)
}

async fn charge(job: Charge, cx: Context<Shop>) -> Result<Receipt, Failure> {
    let receipt = cx.state().bank.charge(job.order, cx.dedup_key())?;
    cx.client().enqueue(Ship { order: job.order }).await?;
    Ok(receipt)
}

async fn ship(_: Ship, _: Context<Shop>) -> Result<(), Failure> {
    Ok(())
}

async fn ask_for_review(_: AskForReview, _: Context<Shop>) -> Result<(), Failure> {
    Ok(())
}

/// Runs when a charge has failed for good. Its arguments say why.
async fn cancel(_why: naq::Payload, _: Context<Shop>) -> Result<(), Failure> {
    Ok(())
}
