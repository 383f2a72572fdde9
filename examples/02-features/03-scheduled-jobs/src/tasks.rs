//! The jobs. Only its tag tells a job whether a program or a schedule has enqueued it.

use naq::prelude::*;
use naq::{Clock, SystemClock, Timer};
use std::time::Duration;

/// Builds a report of a day.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BuildReport {
    /// What the report is about.
    pub title: String,
}

/// Asks a feed for news. It takes some time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PollFeed {
    /// How long, in milliseconds.
    pub takes_ms: u64,
}

/// Reports that the application is up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Heartbeat;

impl Job for BuildReport {
    const NAME: &'static str = "report.build";
    type Output = String;

    /// The options of every report, scheduled or not.
    fn options() -> JobOptions {
        let policy = RetryPolicy::builder().max_retries(5).strategy(Strategy::Exponential).build();
        JobOptions::new().policy(policy)
    }
}

impl Job for PollFeed {
    const NAME: &'static str = "feed.poll";
    type Output = ();
}

impl Job for Heartbeat {
    const NAME: &'static str = "heartbeat";
    type Output = ();
}

async fn build_report(job: BuildReport, cx: Context) -> Result<String, Failure> {
    // The id names the tick. All attempts of a run have the same id, and each run has its own.
    Ok(format!("{}, by {}", job.title, cx.job_id()))
}

async fn poll_feed(job: PollFeed, _: Context) -> Result<(), Failure> {
    let until = SystemClock.now() + Duration::from_millis(job.takes_ms);
    SystemClock.sleep_until(until).await;
    Ok(())
}

async fn heartbeat(_: Heartbeat, _: Context) -> Result<(), Failure> {
    Ok(())
}

/// Every task with its handler.
pub fn registry() -> Registry {
    Registry::new().task(build_report).task(poll_feed).task(heartbeat)
}
