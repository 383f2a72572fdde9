//! How delays grow, when a job ends early, handlers that decide themselves, presets.

use anyhow::Result;
use naq::retry::Rule;
use naq::{Jitter, RetryPolicy, Strategy};

use crate::demo::{DemoRun, Expected};
use crate::tasks::{Advised, ApiError, Behaviour, CallApi, Flaky};

/// Increments, caps, jitter, limits, presets, and handlers that decide.
///
/// # Errors
/// The broker cannot be reached, or no worker runs.
pub async fn advanced(demo: &mut DemoRun) -> Result<()> {
    demo.open("advanced_retries", "growing delays, limits, presets, handlers that decide").await?;
    shapes(demo).await?;
    limits(demo).await?;
    presets(demo).await?;
    handlers(demo).await?;
    demo.watch().await
}

/// How the delay grows, and how jitter spreads it.
async fn shapes(demo: &mut DemoRun) -> Result<()> {
    let client = demo.client();
    let secs = demo.seconds();

    let job = client
        .enqueue(Flaky::failing(3))
        .retry_delay(secs(1))
        .retry_strategy(Strategy::Linear)
        .retry_increment(secs(2));
    let expected = Expected::completed_after([secs(1), secs(3), secs(5)]);
    demo.add("linear", "after 1 s, and 2 s longer each time", job, expected).await?;

    let job = client
        .enqueue(Flaky::failing(4))
        .max_retries(8)
        .retry_delay(secs(1))
        .retry_strategy(Strategy::Exponential)
        .retry_multiplier(3.0)
        .max_delay(secs(5));
    let expected = Expected::completed_after([secs(1), secs(3), secs(5), secs(5)]);
    demo.add("capped", "three times as long, at most 5 s", job, expected).await?;

    // Jitter spreads jobs that failed together. NAQ computes it from the job's id and the number of
    // the retry, so every program computes the same delay.
    let spread = |jitter| client.enqueue(Flaky::failing(3)).retry_delay(secs(4)).jitter(jitter);
    let expected = Expected::completed_after(vec![secs(0)..=secs(4); 3]);
    demo.add("jitter-full", "anything up to 4 s", spread(Jitter::Full), expected).await?;
    let expected = Expected::completed_after(vec![secs(2)..=secs(4); 3]);
    demo.add("jitter-equal", "2 to 4 s", spread(Jitter::Equal), expected).await
}

/// When retries stop, and a queue for jobs with many retries.
async fn limits(demo: &mut DemoRun) -> Result<()> {
    let client = demo.client();
    let secs = demo.seconds();

    // A job with many retries has a queue of its own. Its attempts take no slot from other jobs.
    let job = client
        .enqueue(Flaky::failing(12))
        .queue("retry_queue")
        .max_retries(20)
        .retry_delay(secs(1));
    let expected = Expected::completed_after([secs(1); 12]);
    demo.add("high-retry", "20 retries, 1 s apart, own queue", job, expected).await?;

    let job = client
        .enqueue(Flaky::failing(9))
        .max_retries(9)
        .retry_delay([secs(2), secs(4), secs(3600)])
        .retry_for(secs(300));
    let expected = Expected::dead_after([secs(2), secs(4)], Rule::RetryFor);
    demo.add("retry-for", "after 2 s, 4 s, 1 h; for 5 min at most", job, expected).await?;

    // The job's timeout ends a call that hangs. The timeout is an error like any other.
    let job = client
        .enqueue(Advised { behaviours: vec![Behaviour::Hang] })
        .timeout(secs(2))
        .retry_delay(secs(2))
        .retry_on(["TimeoutError"]);
    let expected = Expected::completed_after([secs(2)]);
    demo.add("timeout", "attempts may last 2 s", job, expected).await
}

/// The presets, with their delays scaled like all delays of the demo.
async fn presets(demo: &mut DemoRun) -> Result<()> {
    let client = demo.client();
    let secs = demo.seconds();

    let policy = demo.scaled(&RetryPolicy::conservative());
    let job = client.enqueue(Flaky::failing(3)).policy(&policy);
    let expected = Expected::completed_after([secs(5); 3]);
    demo.add("conservative", "the default: 3 retries, 5 s apart", job, expected).await?;

    // This preset has a list and a strategy: the list wins.
    let policy = demo.scaled(&RetryPolicy::aggressive());
    let job = client.enqueue(Flaky::failing(5)).policy(&policy);
    let expected = Expected::completed_after([1, 2, 4, 8, 16].map(&secs));
    demo.add("aggressive", "list over strategy: 1, 2, 4, 8, 16 s", job, expected).await?;

    let policy = demo.scaled(&RetryPolicy::selective());
    let call = |faults| CallApi { url: "api.example.com/rates".into(), faults };
    let job = client.enqueue(call(vec![ApiError::Status(503)])).policy(&policy);
    let expected = Expected::completed_after([secs(10)]);
    demo.add("selective", "HTTPError.503: retried in 10 s", job, expected).await?;

    let job = client.enqueue(call(vec![ApiError::Status(403)])).policy(&policy);
    let expected = Expected::dead_at_once(Rule::IgnoreOn);
    demo.add("selective-403", "PermissionError: never retried", job, expected).await
}

/// Handlers that decide themselves.
async fn handlers(demo: &mut DemoRun) -> Result<()> {
    let client = demo.client();
    let secs = demo.seconds();
    let advised =
        |behaviour| client.enqueue(Advised { behaviours: vec![behaviour] }).retry_delay(secs(2));

    let busy = ApiError::Busy { retry_after: secs(7) };
    let call = CallApi { url: "api.example.com/search".into(), faults: vec![busy] };
    let job = client.enqueue(call).retry_delay(secs(2));
    let expected = Expected::completed_after([secs(7)]);
    demo.add("retry-after", "429: the service says: in 7 s", job, expected).await?;

    let expected = Expected::completed_after([secs(3)]).snoozes(1);
    let job = advised(Behaviour::Export { takes: secs(3) });
    demo.add("snooze", "again in 3 s, counts no attempt", job, expected).await?;

    let expected = Expected::dead_at_once(Rule::Fatal);
    demo.add("fatal", "the handler says: never again", advised(Behaviour::Fatal), expected).await?;

    let expected = Expected::cancelled_at_once();
    demo.add("cancel", "the handler says: cancel the job", advised(Behaviour::Cancel), expected)
        .await?;

    let expected = Expected::completed_after([secs(2)]);
    demo.add("panic", "a panic is an error like any other", advised(Behaviour::Panic), expected)
        .await
}
