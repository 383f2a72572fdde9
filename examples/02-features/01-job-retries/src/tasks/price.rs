//! Graceful degradation: on its last attempt the handler serves what it has instead of failing.

use naq::{Context, Job};
use serde::{Deserialize, Serialize};

use super::{ApiError, Shop, play};

/// Fetches a price, or falls back to the last one known.
#[derive(Debug, Serialize, Deserialize)]
pub struct FetchPrice {
    /// Of what.
    pub item: String,
    /// What goes wrong, attempt by attempt.
    pub faults: Vec<ApiError>,
}

impl Job for FetchPrice {
    const NAME: &'static str = "demo.price";
    type Output = String;
}

/// The fresh price if it can be had within the job's attempts, else the cached one, marked as such.
///
/// # Errors
/// The fault of this attempt, while another attempt is left or nothing is cached.
pub async fn fetch_price(job: FetchPrice, cx: Context<Shop>) -> Result<String, ApiError> {
    let Err(fault) = play(&job.faults, cx.attempt()) else {
        return Ok(format!("{}: 419 cents", job.item));
    };
    match cx.state().cached_price(&job.item) {
        Some(cents) if cx.is_last_attempt() => {
            Ok(format!("{}: {cents} cents, from the cache", job.item))
        }
        _ => Err(fault),
    }
}
