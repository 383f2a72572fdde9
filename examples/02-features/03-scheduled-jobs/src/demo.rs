//! The demo: it registers the schedules, and lets some short ones run before your eyes.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use naq::client::{Registered, ScheduleReport, ScheduleState};
use naq::schedule::Overlap;
use naq::transport::JobKey;
use naq::{Client, Clock, JobState, ScheduleName, SystemClock, Timer};

use crate::schedules;
use crate::tasks::{Heartbeat, PollFeed};

/// A beat that one does not have to wait for.
const BEAT: Duration = Duration::from_millis(400);
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Plays the demo, and says with `tell` what happens. A worker has to be there.
///
/// # Errors
/// Something did not do as this file says it does.
pub async fn play(client: &Client, tell: impl Fn(String)) -> anyhow::Result<()> {
    let first = schedules::register(client).await?;
    let again = schedules::register(client).await?;
    tell(format!("registered {first:?}, and once more: {again:?}"));
    ensure!(again == [Registered::Unchanged; 4], "registering twice is registering once");

    for listed in client.schedules().list().await? {
        let report = listed?;
        tell(format!("{:16} {}", report.schedule.name, report.schedule.when));
        for tick in report.upcoming(3) {
            tell(format!("{:16}   {}", "", report.schedule.time_zone.local(tick.at)));
        }
    }

    five_beats(client, &tell).await?;
    no_two_at_once(client, &tell).await?;
    by_hand(client, &tell).await
}

/// A schedule that ends by itself.
async fn five_beats(client: &Client, tell: &impl Fn(String)) -> anyhow::Result<()> {
    let name = ScheduleName::new("five-beats")?;
    client.schedules().delete(&name).await?;
    client.schedule(name.as_str()).every(BEAT).max_runs(5).job(Heartbeat).await?;
    let report = until(client, &name, |it| it.state == ScheduleState::Finished).await?;
    let last = report.progress.last.as_ref().context("a run")?;
    ensure!(report.progress.runs == 5, "{report:?}");
    tell(format!("five-beats made its 5 runs; the last is {}", last.job.id));
    completes(client, &last.job).await?;
    client.schedules().delete(&name).await?;
    Ok(())
}

/// Runs that take two beats and a half, and keep apart.
async fn no_two_at_once(client: &Client, tell: &impl Fn(String)) -> anyhow::Result<()> {
    let name = ScheduleName::new("slow-poll")?;
    client.schedules().delete(&name).await?;
    let takes_ms = u64::try_from(BEAT.as_millis())? * 5 / 2;
    let slow = client.schedule(name.as_str()).every(BEAT).overlap(Overlap::Skip);
    slow.job(PollFeed { takes_ms }).await?;
    let report = until(client, &name, |it| it.progress.runs >= 3).await?;
    let (runs, skipped) = (report.progress.runs, report.progress.skipped);
    tell(format!("slow-poll made {runs} runs, and left out {skipped} ticks that met one"));
    ensure!(skipped >= 2, "{report:?}");
    client.schedules().delete(&name).await?;
    Ok(())
}

/// What an operator does; `naq schedule` does the same.
async fn by_hand(client: &Client, tell: &impl Fn(String)) -> anyhow::Result<()> {
    let (schedules, name) = (client.schedules(), ScheduleName::new("nightly-report")?);
    let paused = schedules.pause(&name).await?;
    ensure!(paused.state == ScheduleState::Paused, "{paused:?}");
    // Also while it is paused.
    let run = schedules.run_now(&name).await?;
    completes(client, &run).await?;
    tell(format!("{name} is paused, and ran once by hand: {}", run.id));
    ensure!(schedules.resume(&name).await?.state == ScheduleState::Active, "resumed");
    Ok(())
}

async fn until(
    client: &Client,
    name: &ScheduleName,
    wanted: impl Fn(&ScheduleReport) -> bool,
) -> anyhow::Result<ScheduleReport> {
    let end = SystemClock.now() + PATIENCE;
    loop {
        let report = client.schedules().get(name).await?;
        if wanted(&report) {
            return Ok(report);
        }
        ensure!(SystemClock.now() < end, "is a worker running? {report:?}");
        SystemClock.sleep_until(SystemClock.now() + BEAT / 4).await;
    }
}

async fn completes(client: &Client, key: &JobKey) -> anyhow::Result<()> {
    let end = SystemClock.now() + PATIENCE;
    loop {
        let state = client.report(key).await?.state;
        if state == JobState::Completed {
            return Ok(());
        }
        ensure!(SystemClock.now() < end && !state.is_final(), "{key} is {state}");
        SystemClock.sleep_until(SystemClock.now() + BEAT / 4).await;
    }
}
