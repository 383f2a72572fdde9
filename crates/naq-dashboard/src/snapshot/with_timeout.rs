//! [`with_timeout`]: one request to the broker, bounded in time.

use std::fmt::Display;
use std::time::Duration;

/// The timeout of one request. The client itself waits longer for a broker that is away.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// The answer, or why there is none.
pub(super) async fn with_timeout<T, E: Display>(
    request: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(|err| err.to_string()),
        Err(_) => Err(format!("the broker has not answered within {REQUEST_TIMEOUT:?}")),
    }
}
