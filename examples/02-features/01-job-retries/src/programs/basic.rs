//! The strategies, and which errors are retried.

use anyhow::Result;
use naq::Strategy;
use naq::retry::Rule;

use crate::stage::{Expected, Stage};
use crate::tasks::{ApiError, CallApi, Flaky, FlakyError};

/// Fixed, list, linear, exponential, selective.
///
/// # Errors
/// The broker cannot be reached, or no worker is there.
pub async fn basic(stage: &mut Stage) -> Result<()> {
    let client = stage.client();
    let secs = stage.seconds();
    stage.open("basic_retries", "strategies, and which errors are retried").await?;

    // A fixed delay between attempts. (`linear` without an increment is the same.)
    let job = client.enqueue(Flaky::failing(2)).max_retries(3).retry_delay(secs(5));
    let expected = Expected::completed_after([secs(5), secs(5)]);
    stage.add("fixed", "3 retries, 5 s apart", job, expected).await?;

    // A delay for each retry.
    let job =
        client.enqueue(Flaky::failing(3)).max_retries(3).retry_delay([secs(2), secs(5), secs(10)]);
    let expected = Expected::completed_after([secs(2), secs(5), secs(10)]);
    stage.add("list", "3 retries, after 2, 5 and 10 s", job, expected).await?;

    // Exponential backoff: each delay is twice the one before.
    let job = client
        .enqueue(Flaky::failing(4))
        .max_retries(4)
        .retry_delay(secs(2))
        .retry_strategy(Strategy::Exponential);
    let expected = Expected::completed_after([secs(2), secs(4), secs(8), secs(16)]);
    stage.add("exponential", "4 retries, after 2, 4, 8 and 16 s", job, expected).await?;

    // Selective: what may pass is retried ...
    let call = |faults| {
        let url = "api.example.com/orders".to_owned();
        client
            .enqueue(CallApi { url, faults })
            .max_retries(3)
            .retry_delay(secs(5))
            .retry_on(["ConnectionError", "TimeoutError"])
            .ignore_on(["ValueError", "AuthenticationError"])
    };
    let job = call(vec![ApiError::Refused, ApiError::TimedOut]);
    let expected = Expected::completed_after([secs(5), secs(5)]);
    stage.add("selective", "ConnectionError, TimeoutError: retried", job, expected).await?;

    // ... what `ignore_on` names is not ...
    let job = call(vec![ApiError::Refused, ApiError::Status(401)]);
    let expected = Expected::dead_after([secs(5)], Rule::IgnoreOn);
    stage.add("ignored", "then AuthenticationError: never retried", job, expected).await?;

    // ... and neither is what `retry_on` leaves out.
    let job = call(vec![ApiError::Status(503)]);
    let expected = Expected::dead_at_once(Rule::RetryOn);
    stage.add("not-listed", "HTTPError.503 is not in retry_on", job, expected).await?;

    // When no attempt is left, the job is kept in the dead letter queue.
    let faults = vec![FlakyError::Timeout; 9];
    let job = client.enqueue(Flaky { faults }).max_retries(2).retry_delay(secs(5));
    let expected = Expected::dead_after([secs(5), secs(5)], Rule::MaxRetries);
    stage.add("exhausted", "2 retries, and no luck", job, expected).await?;

    // No retries at all.
    let job = client.enqueue(Flaky::failing(1)).max_retries(0);
    let expected = Expected::dead_at_once(Rule::MaxRetries);
    stage.add("no-retries", "max_retries=0", job, expected).await?;

    stage.watch().await
}
