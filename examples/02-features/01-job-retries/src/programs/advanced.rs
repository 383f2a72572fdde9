//! Shaping the delay, ending a job early, handlers that answer for themselves, presets.

use anyhow::Result;
use naq::retry::Rule;
use naq::{Jitter, RetryPolicy, Strategy};

use crate::stage::{Expected, Stage};
use crate::tasks::{Advised, ApiError, CallApi, Flaky, Wish};

/// Increments, caps, jitter, limits, presets, and what handlers may ask for.
///
/// # Errors
/// The broker cannot be reached, or no worker is there.
pub async fn advanced(stage: &mut Stage) -> Result<()> {
    stage.open("advanced_retries", "shapes, limits, presets, handlers that decide").await?;
    shapes(stage).await?;
    limits(stage).await?;
    presets(stage).await?;
    handlers(stage).await?;
    stage.watch().await
}

/// How the delay grows, and how it is spread.
async fn shapes(stage: &mut Stage) -> Result<()> {
    let client = stage.client();
    let secs = stage.seconds();

    let job = client
        .enqueue(Flaky::failing(3))
        .retry_delay(secs(1))
        .retry_strategy(Strategy::Linear)
        .retry_increment(secs(2));
    let expected = Expected::completed_after([secs(1), secs(3), secs(5)]);
    stage.add("linear", "after 1 s, and 2 s longer each time", job, expected).await?;

    let job = client
        .enqueue(Flaky::failing(4))
        .max_retries(8)
        .retry_delay(secs(1))
        .retry_strategy(Strategy::Exponential)
        .retry_multiplier(3.0)
        .max_delay(secs(5));
    let expected = Expected::completed_after([secs(1), secs(3), secs(5), secs(5)]);
    stage.add("capped", "three times as long, at most 5 s", job, expected).await?;

    // Jitter spreads jobs that failed together. It is computed from the job's id and the number of
    // the retry, so that every program agrees on it.
    let spread = |jitter| client.enqueue(Flaky::failing(3)).retry_delay(secs(4)).jitter(jitter);
    let expected = Expected::completed_after(vec![secs(0)..=secs(4); 3]);
    stage.add("jitter-full", "anything up to 4 s", spread(Jitter::Full), expected).await?;
    let expected = Expected::completed_after(vec![secs(2)..=secs(4); 3]);
    stage.add("jitter-equal", "2 to 4 s", spread(Jitter::Equal), expected).await
}

/// When to stop, and where many retries belong.
async fn limits(stage: &mut Stage) -> Result<()> {
    let client = stage.client();
    let secs = stage.seconds();

    // Many retries go to a queue of their own, where they keep no fresh job waiting.
    let job = client
        .enqueue(Flaky::failing(12))
        .queue("retry_queue")
        .max_retries(20)
        .retry_delay(secs(1));
    let expected = Expected::completed_after([secs(1); 12]);
    stage.add("high-retry", "20 retries, 1 s apart, own queue", job, expected).await?;

    let job = client
        .enqueue(Flaky::failing(9))
        .max_retries(9)
        .retry_delay([secs(2), secs(4), secs(3600)])
        .retry_for(secs(300));
    let expected = Expected::dead_after([secs(2), secs(4)], Rule::RetryFor);
    stage.add("retry-for", "after 2 s, 4 s, 1 h; for 5 min at most", job, expected).await?;

    // A call that hangs is ended by the job's timeout, and that is an error like others.
    let job = client
        .enqueue(Advised { wishes: vec![Wish::Hang] })
        .timeout(secs(2))
        .retry_delay(secs(2))
        .retry_on(["TimeoutError"]);
    let expected = Expected::completed_after([secs(2)]);
    stage.add("timeout", "attempts may last 2 s", job, expected).await
}

/// The named policies, with their delays scaled as all others here.
async fn presets(stage: &mut Stage) -> Result<()> {
    let client = stage.client();
    let secs = stage.seconds();

    let policy = stage.scaled(&RetryPolicy::conservative());
    let job = client.enqueue(Flaky::failing(3)).policy(&policy);
    let expected = Expected::completed_after([secs(5); 3]);
    stage.add("conservative", "the default: 3 retries, 5 s apart", job, expected).await?;

    // It names a list and a strategy: the list wins.
    let policy = stage.scaled(&RetryPolicy::aggressive());
    let job = client.enqueue(Flaky::failing(5)).policy(&policy);
    let expected = Expected::completed_after([1, 2, 4, 8, 16].map(&secs));
    stage.add("aggressive", "list over strategy: 1, 2, 4, 8, 16 s", job, expected).await?;

    let policy = stage.scaled(&RetryPolicy::selective());
    let call = |faults| CallApi { url: "api.example.com/rates".into(), faults };
    let job = client.enqueue(call(vec![ApiError::Status(503)])).policy(&policy);
    let expected = Expected::completed_after([secs(10)]);
    stage.add("selective", "HTTPError.503: retried in 10 s", job, expected).await?;

    let job = client.enqueue(call(vec![ApiError::Status(403)])).policy(&policy);
    let expected = Expected::dead_at_once(Rule::IgnoreOn);
    stage.add("selective-403", "PermissionError: never retried", job, expected).await
}

/// What the handler knows better than the policy.
async fn handlers(stage: &mut Stage) -> Result<()> {
    let client = stage.client();
    let secs = stage.seconds();
    let wish = |wish| client.enqueue(Advised { wishes: vec![wish] }).retry_delay(secs(2));

    let busy = ApiError::Busy { retry_after: secs(7) };
    let call = CallApi { url: "api.example.com/search".into(), faults: vec![busy] };
    let job = client.enqueue(call).retry_delay(secs(2));
    let expected = Expected::completed_after([secs(7)]);
    stage.add("retry-after", "429: the service says in 7 s", job, expected).await?;

    let expected = Expected::completed_after([secs(3)]).snoozes(1);
    let job = wish(Wish::Export { takes: secs(3) });
    stage.add("snooze", "not yet: again in 3 s, no attempt", job, expected).await?;

    let expected = Expected::dead_at_once(Rule::Fatal);
    stage.add("fatal", "the handler says: never again", wish(Wish::Fatal), expected).await?;

    let expected = Expected::cancelled_at_once();
    stage.add("cancel", "the handler says: never mind", wish(Wish::Cancel), expected).await?;

    let expected = Expected::completed_after([secs(2)]);
    stage.add("panic", "a panic is an error like others", wish(Wish::Panic), expected).await
}
