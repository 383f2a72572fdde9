//! Retry lateness: how late the second attempt of a job starts, compared with a message that the broker
//! schedules for async-nats.

use std::time::Duration;

use anyhow::{Context as _, Result};
use naq_core::{Clock, SystemClock, Timestamp};

use crate::contestant::{Contestant, JobShape, StartTimes, pause};
use crate::contestants::{BenchPlan, Contestants};
use crate::figure::{BenchFigure, FigureTarget, FigureUnit};
use crate::naq::NaqContestant;
use crate::raw::RawContestant;
use crate::stats::percentile;

/// The time between two jobs.
const GAP: Duration = Duration::from_millis(5);
/// The shortest and the longest delay in milliseconds. The jobs' delays are spread evenly between.
const SHORTEST: u64 = 200;
const LONGEST: u64 = 2000;
/// A delay that the broker's tick just misses each time.
const WHOLE: Duration = Duration::from_secs(1);

pub(crate) async fn measure(
    contestants: &Contestants,
    plan: &BenchPlan,
) -> Result<Vec<BenchFigure>> {
    let mut figures = lateness_of(
        contestants,
        plan,
        [
            "retry lateness, p50",
            "retry lateness, p99",
            "retry lateness, max",
            "retries started early",
        ],
        [FigureTarget::None, FigureTarget::AtMost(350.0), FigureTarget::None],
        mixed,
    )
    .await?;
    figures.extend(
        lateness_of(
            contestants,
            plan,
            [
                "retry lateness at whole seconds, p50",
                "retry lateness at whole seconds, p99",
                "retry lateness at whole seconds, max",
                "retries at whole seconds started early",
            ],
            [FigureTarget::AtMost(5.0), FigureTarget::AtMost(20.0), FigureTarget::None],
            |_| WHOLE,
        )
        .await?,
    );
    Ok(figures)
}

/// p50, p99 and the largest lateness, with these names, and how many started early.
async fn lateness_of(
    contestants: &Contestants,
    plan: &BenchPlan,
    names: [&'static str; 4],
    targets: [FigureTarget; 3],
    delay: fn(usize) -> Duration,
) -> Result<Vec<BenchFigure>> {
    let named = names.into_iter().zip(targets);
    let mut figures: Vec<_> =
        named.map(|(name, target)| BenchFigure::new(name, FigureUnit::Millis, target)).collect();
    let mut early = BenchFigure::new(names[3], FigureUnit::Jobs, FigureTarget::AtMost(0.0));
    for round in 0..plan.rounds {
        plan.progress(format_args!("{}, round {} of {}", names[0], round + 1, plan.rounds));
        let naq = retried(&contestants.naq, plan, delay).await?;
        let raw = scheduled(&contestants.raw, plan, delay).await?;
        for (figure, share) in figures.iter_mut().zip([0.5, 0.99, 1.0]) {
            figure.pair(percentile(&naq, share), percentile(&raw, share));
        }
        let count = |all: &[f64]| all.iter().filter(|late| **late < 0.0).count() as f64;
        early.pair(count(&naq), count(&raw));
    }
    Ok(figures.into_iter().chain([early]).map(BenchFigure::done).collect())
}

/// A mix of delays between the shortest and the longest, for job number `n`.
fn mixed(n: usize) -> Duration {
    // The step and the span share no factor, so the delays cover the whole span in a mixed order.
    Duration::from_millis(SHORTEST + (n as u64 * 787) % (LONGEST - SHORTEST + 1))
}

/// How late each job's second attempt started, in milliseconds after the due time in its record.
async fn retried(
    naq: &NaqContestant,
    plan: &BenchPlan,
    delay: fn(usize) -> Duration,
) -> Result<Vec<f64>> {
    let seen = StartTimes::new(plan.retries);
    let worker = naq.work(plan.concurrency, JobShape::DEFAULT, seen.clone()).await?;
    let mut keys = Vec::with_capacity(plan.retries);
    for n in 0..plan.retries {
        keys.push(naq.send_failing(n, delay(n)).await?);
        pause(GAP).await;
    }
    seen.reaches(plan.retries).await?;
    worker.stop().await?;
    let mut late = Vec::with_capacity(keys.len());
    for (n, key) in keys.iter().enumerate() {
        let report = naq.client.report(key).await?;
        let due = report.envelope.and_then(|job| job.due_at);
        late.push(lateness(&seen, n, due.context("a retry without a due time")?)?);
    }
    naq.streams().purge().await?;
    Ok(late)
}

/// How late each message with a schedule arrived, in milliseconds after its due time.
async fn scheduled(
    raw: &RawContestant,
    plan: &BenchPlan,
    delay: fn(usize) -> Duration,
) -> Result<Vec<f64>> {
    let seen = StartTimes::new(plan.retries);
    let worker = raw.work(plan.concurrency, JobShape::DEFAULT, seen.clone()).await?;
    let mut due_times = Vec::with_capacity(plan.retries);
    for n in 0..plan.retries {
        let due = SystemClock.now() + delay(n);
        raw.enqueue_at(n, due).await?;
        due_times.push(due);
        pause(GAP).await;
    }
    seen.reaches(plan.retries).await?;
    worker.stop().await?;
    raw.streams().purge().await?;
    due_times.iter().enumerate().map(|(n, due)| lateness(&seen, n, *due)).collect()
}

fn lateness(seen: &StartTimes, n: usize, due: Timestamp) -> Result<f64> {
    let started = seen.wall_millis(n).context("a job was counted that never started")?;
    Ok(started as f64 - due.as_millis() as f64)
}
