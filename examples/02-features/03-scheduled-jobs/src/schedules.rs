//! When jobs run. Call [`register`] when a program starts, in every process. All processes share one set
//! of schedules. If you change a line here, the next start changes the schedule.

use std::time::Duration;

use naq::Client;
use naq::client::{Registered, ScheduleError};
use naq::schedule::{CatchUp, Overlap};

use crate::tasks::{BuildReport, Heartbeat, PollFeed};

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

/// Registers the schedules of this application. Says for each whether it was created, updated or
/// unchanged.
///
/// # Errors
/// The broker does not answer.
pub async fn register(client: &Client) -> Result<[Registered; 4], ScheduleError> {
    Ok([
        // At half past two by the clocks in Berlin, in summer and in winter. After an outage, once.
        client
            .schedule("nightly-report")
            .cron("30 2 * * *")
            .time_zone("Europe/Berlin")
            .catch_up(CatchUp::Last)
            .job(BuildReport { title: "all of yesterday".into() })
            .await?,
        // On working days, at some time in the first ten minutes, so that the reports of all customers
        // do not start in the same second.
        client
            .schedule("morning-digest")
            .cron("0 9 * * mon-fri")
            .time_zone("Europe/Berlin")
            .jitter(minutes(10))
            .start_within(minutes(60))
            .template(
                client
                    .enqueue(BuildReport { title: "the night".into() })
                    .tag("mail")
                    .max_retries(2),
            )
            .await?,
        // Every half minute, and never two runs at once. The next run finds what a skipped one missed.
        client
            .schedule("poll-feed")
            .every(Duration::from_secs(30))
            .overlap(Overlap::Skip)
            .catch_up(CatchUp::Skip)
            .template(client.enqueue(PollFeed { takes_ms: 200 }).max_retries(0))
            .await?,
        // With seconds, in front of the minutes.
        client
            .schedule("heartbeat")
            .cron("*/10 * * * * *")
            .catch_up(CatchUp::Skip)
            .job(Heartbeat)
            .await?,
    ])
}
