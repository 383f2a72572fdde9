//! The strategies, and which errors are retried.

use anyhow::Result;
use naq::Strategy;
use naq::retry::Rule;

use crate::demo::{DemoRun, Expected};
use crate::tasks::{ApiError, CallApi, Flaky, FlakyError};

/// Fixed, list, linear, exponential, selective.
///
/// # Errors
/// The broker cannot be reached, or no worker runs.
pub async fn basic(demo: &mut DemoRun) -> Result<()> {
    let client = demo.client();
    let secs = demo.seconds();
    demo.open("basic_retries", "strategies, and which errors are retried").await?;

    // A fixed delay between attempts. (`linear` without an increment is the same.)
    let job = client.enqueue(Flaky::failing(2)).max_retries(3).retry_delay(secs(5));
    let expected = Expected::completed_after([secs(5), secs(5)]);
    demo.add("fixed", "3 retries, 5 s apart", job, expected).await?;

    // A delay for each retry.
    let job =
        client.enqueue(Flaky::failing(3)).max_retries(3).retry_delay([secs(2), secs(5), secs(10)]);
    let expected = Expected::completed_after([secs(2), secs(5), secs(10)]);
    demo.add("list", "3 retries, after 2, 5 and 10 s", job, expected).await?;

    // Exponential backoff: each delay is twice the previous one.
    let job = client
        .enqueue(Flaky::failing(4))
        .max_retries(4)
        .retry_delay(secs(2))
        .retry_strategy(Strategy::Exponential);
    let expected = Expected::completed_after([secs(2), secs(4), secs(8), secs(16)]);
    demo.add("exponential", "4 retries, after 2, 4, 8 and 16 s", job, expected).await?;

    // Selective: NAQ retries the error kinds of `retry_on` ...
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
    demo.add("selective", "ConnectionError, TimeoutError: retried", job, expected).await?;

    // ... and never those of `ignore_on` ...
    let job = call(vec![ApiError::Refused, ApiError::Status(401)]);
    let expected = Expected::dead_after([secs(5)], Rule::IgnoreOn);
    demo.add("ignored", "then AuthenticationError: never retried", job, expected).await?;

    // ... and never a kind that `retry_on` does not name.
    let job = call(vec![ApiError::Status(503)]);
    let expected = Expected::dead_at_once(Rule::RetryOn);
    demo.add("not-listed", "HTTPError.503 is not in retry_on", job, expected).await?;

    // When no attempt is left, the job goes to the dead letter queue.
    let faults = vec![FlakyError::Timeout; 9];
    let job = client.enqueue(Flaky { faults }).max_retries(2).retry_delay(secs(5));
    let expected = Expected::dead_after([secs(5), secs(5)], Rule::MaxRetries);
    demo.add("exhausted", "2 retries, and every attempt fails", job, expected).await?;

    // No retries at all.
    let job = client.enqueue(Flaky::failing(1)).max_retries(0);
    let expected = Expected::dead_at_once(Rule::MaxRetries);
    demo.add("no-retries", "max_retries=0", job, expected).await?;

    demo.watch().await
}
