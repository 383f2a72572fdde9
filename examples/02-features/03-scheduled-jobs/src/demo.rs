//! The demo: it registers the schedules, and then runs some schedules with short intervals.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use naq::client::{Registered, ScheduleReport, ScheduleState};
use naq::schedule::Overlap;
use naq::transport::JobKey;
use naq::{Client, Clock, JobState, ScheduleName, SystemClock, Timer};

use crate::schedules;
use crate::tasks::{Heartbeat, PollFeed};

/// An interval that is short enough to wait for.
const INTERVAL: Duration = Duration::from_millis(400);
/// No part of the demo takes longer.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Runs the demo, and calls `print` with what happens. It needs a worker.
///
/// # Errors
/// The broker cannot be reached, or a schedule did not do what this file expects.
pub async fn run(client: &Client, print: impl Fn(String)) -> anyhow::Result<()> {
    let first = schedules::register(client).await?;
    let again = schedules::register(client).await?;
    print(format!("registered: {first:?}; registered again: {again:?}"));
    ensure!(again == [Registered::Unchanged; 4], "the second registration changes nothing");

    for listed in client.schedules().list().await? {
        let report = listed?;
        print(format!("{:16} {}", report.schedule.name, report.schedule.when));
        for tick in report.upcoming(3) {
            print(format!("{:16}   {}", "", report.schedule.time_zone.local(tick.at)));
        }
    }

    five_runs(client, &print).await?;
    no_two_at_once(client, &print).await?;
    by_hand(client, &print).await
}

/// A schedule that ends by itself.
async fn five_runs(client: &Client, print: &impl Fn(String)) -> anyhow::Result<()> {
    let name = ScheduleName::new("five-runs")?;
    client.schedules().delete(&name).await?;
    client.schedule(name.as_str()).every(INTERVAL).max_runs(5).job(Heartbeat).await?;
    let report = until(client, &name, |it| it.state == ScheduleState::Finished).await?;
    let last = report.progress.last.as_ref().context("a run")?;
    ensure!(report.progress.runs == 5, "{report:?}");
    print(format!("five-runs made its 5 runs; the last is {}", last.job.id));
    completes(client, &last.job).await?;
    client.schedules().delete(&name).await?;
    Ok(())
}

/// Runs that take two and a half intervals, and never overlap.
async fn no_two_at_once(client: &Client, print: &impl Fn(String)) -> anyhow::Result<()> {
    let name = ScheduleName::new("slow-poll")?;
    client.schedules().delete(&name).await?;
    let takes_ms = u64::try_from(INTERVAL.as_millis())? * 5 / 2;
    let slow = client.schedule(name.as_str()).every(INTERVAL).overlap(Overlap::Skip);
    slow.job(PollFeed { takes_ms }).await?;
    let report = until(client, &name, |it| it.progress.runs >= 3).await?;
    let (runs, skipped) = (report.progress.runs, report.progress.skipped);
    print(format!(
        "slow-poll made {runs} runs, and skipped {skipped} ticks that were due during a run"
    ));
    ensure!(skipped >= 2, "{report:?}");
    client.schedules().delete(&name).await?;
    Ok(())
}

/// The actions of an operator. `naq schedule` has the same.
async fn by_hand(client: &Client, print: &impl Fn(String)) -> anyhow::Result<()> {
    let (schedules, name) = (client.schedules(), ScheduleName::new("nightly-report")?);
    let paused = schedules.pause(&name).await?;
    ensure!(paused.state == ScheduleState::Paused, "{paused:?}");
    // This works while the schedule is paused.
    let run = schedules.run_now(&name).await?;
    completes(client, &run).await?;
    print(format!("{name} is paused, and one run was made by hand: {}", run.id));
    ensure!(schedules.resume(&name).await?.state == ScheduleState::Active, "resumed");
    Ok(())
}

async fn until(
    client: &Client,
    name: &ScheduleName,
    wanted: impl Fn(&ScheduleReport) -> bool,
) -> anyhow::Result<ScheduleReport> {
    let end = SystemClock.now() + MAX_WAIT;
    loop {
        let report = client.schedules().get(name).await?;
        if wanted(&report) {
            return Ok(report);
        }
        ensure!(SystemClock.now() < end, "is a worker running? {report:?}");
        SystemClock.sleep_until(SystemClock.now() + INTERVAL / 4).await;
    }
}

async fn completes(client: &Client, key: &JobKey) -> anyhow::Result<()> {
    let end = SystemClock.now() + MAX_WAIT;
    loop {
        let state = client.report(key).await?.state;
        if state == JobState::Completed {
            return Ok(());
        }
        ensure!(SystemClock.now() < end && !state.is_final(), "{key} is {state}");
        SystemClock.sleep_until(SystemClock.now() + INTERVAL / 4).await;
    }
}
