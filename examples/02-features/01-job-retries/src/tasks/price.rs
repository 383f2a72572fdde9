//! Graceful degradation: on its last attempt the handler returns a cached price and does not fail.

use naq::{Context, Job};
use serde::{Deserialize, Serialize};

use super::{ApiError, Shop, fail_as_planned};

/// Fetches a price, or returns the last known price.
#[derive(Debug, Serialize, Deserialize)]
pub struct FetchPrice {
    /// The item.
    pub item: String,
    /// What goes wrong, attempt by attempt.
    pub faults: Vec<ApiError>,
}

impl Job for FetchPrice {
    const NAME: &'static str = "demo.price";
    type Output = String;
}

/// Returns the current price. If every attempt fails, the last one returns the cached price, and says so.
///
/// # Errors
/// The fault of this attempt, while another attempt is left or nothing is cached.
pub async fn fetch_price(job: FetchPrice, cx: Context<Shop>) -> Result<String, ApiError> {
    let Err(fault) = fail_as_planned(&job.faults, cx.attempt()) else {
        return Ok(format!("{}: 419 cents", job.item));
    };
    match cx.state().cached_price(&job.item) {
        Some(cents) if cx.is_last_attempt() => {
            Ok(format!("{}: {cents} cents, from the cache", job.item))
        }
        _ => Err(fault),
    }
}
