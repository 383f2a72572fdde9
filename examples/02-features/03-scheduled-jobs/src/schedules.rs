//! When things run. Call [`register`] wherever a program starts, in every process: it is one set of
//! schedules, and a changed line here changes it.

use std::time::Duration;

use naq::Client;
use naq::client::{Registered, ScheduleError};
use naq::schedule::{CatchUp, Overlap};

use crate::tasks::{BuildReport, Heartbeat, PollFeed};

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

/// The schedules of this application; what became of each.
///
/// # Errors
/// The broker does not answer.
pub async fn register(client: &Client) -> Result<[Registered; 4], ScheduleError> {
    Ok([
        // At half past two on clocks in Berlin, summer and winter; after an outage once.
        client
            .schedule("nightly-report")
            .cron("30 2 * * *")
            .time_zone("Europe/Berlin")
            .catch_up(CatchUp::Last)
            .job(BuildReport { title: "all of yesterday".into() })
            .await?,
        // On working days, some time in the first ten minutes, so that not all reports of all
        // customers begin in the same second.
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
        // Every half minute, and never twice at once: the next tick finds what this one missed.
        client
            .schedule("poll-feed")
            .every(Duration::from_secs(30))
            .overlap(Overlap::Skip)
            .catch_up(CatchUp::Skip)
            .template(client.enqueue(PollFeed { takes_ms: 200 }).max_retries(0))
            .await?,
        // With seconds, which come before the minutes.
        client
            .schedule("heartbeat")
            .cron("*/10 * * * * *")
            .catch_up(CatchUp::Skip)
            .job(Heartbeat)
            .await?,
    ])
}
