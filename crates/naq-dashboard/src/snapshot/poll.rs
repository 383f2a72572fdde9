//! The reader: the one async task of the process that reads the broker.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use naq_client::Client;
use naq_core::Timestamp;
use naq_core::stats::{StormRules, storms};
use naq_core::sync;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::hold_cache::HoldCache;
use super::window_totals::WindowTotals;
use super::with_timeout::with_timeout;
use super::{SPARK_MINUTES, Snapshot};

/// Reports in one page of statistics; a day of 100 workers has 150 such pages.
const PAGE: usize = 1_000;
/// Batches are read at every fifth read, and at every read while one is running.
const BATCHES_EVERY: u64 = 5;
/// Streams and paused tasks change seldom, and are read at every fifth read.
const STREAMS_EVERY: u64 = 5;

/// Whether the streams store is probed at every tenth read.
const PROBE_EVERY: u64 = 10;

/// Reads the broker every `interval`, until all receivers are dropped.
/// With `may_store`, probes whether the streams store.
pub(crate) fn poll(
    client: Client,
    interval: Duration,
    may_store: bool,
) -> watch::Receiver<Arc<Snapshot>> {
    let (sender, receiver) = watch::channel(Arc::new(Snapshot::default()));
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next_report = 0;
        let mut windows = WindowTotals::default();
        while !sender.is_closed() {
            ticks.tick().await;
            let last = sender.borrow().clone();
            let mut snapshot = Snapshot { version: last.version + 1, ..(*last).clone() };
            let read = read(&client, &mut snapshot, &mut next_report, &mut windows, may_store);
            let problem = match AssertUnwindSafe(read).catch_unwind().await {
                Ok(result) => result.err(),
                // After a panic in our own code, old numbers must not look like new ones.
                Err(_) => Some("reading the broker failed: the log says why".to_owned()),
            };
            if let Some(problem) = problem.as_ref().filter(|_| last.problem.is_none()) {
                tracing::warn!("the dashboard cannot read the broker: {problem}");
            }
            snapshot.problem = problem;
            snapshot.tried_at = Some(Instant::now());
            // An error means that all receivers are dropped: the loop then ends.
            let _ = sender.send(Arc::new(snapshot));
        }
    });
    receiver
}

async fn read(
    client: &Client,
    snapshot: &mut Snapshot,
    next_report: &mut u64,
    windows: &mut WindowTotals,
    may_store: bool,
) -> Result<(), String> {
    read_reports(client, snapshot, next_report).await?;
    snapshot.queues = with_timeout(client.queues()).await?;
    snapshot.workers = with_timeout(client.list_workers()).await?;
    snapshot.read_runs(client).await;
    snapshot.broker = Some(with_timeout(client.transport().broker()).await?);
    let now = client.now();
    if snapshot.version % BATCHES_EVERY == 1 || snapshot.batches.is_active(now) {
        snapshot.batches.update(with_timeout(client.batches()).await?, now);
    }
    if snapshot.version % STREAMS_EVERY == 1 {
        // A user without the permission for these requests still gets the rest.
        if let Ok(streams) = with_timeout(client.transport().streams()).await {
            snapshot.streams = streams;
        }
        if let Ok(paused) = with_timeout(client.paused_tasks()).await {
            snapshot.paused_tasks = paused;
        }
        if let Ok(cache) = HoldCache::read(&snapshot.queues, &snapshot.hour, client).await {
            snapshot.hold_cache = cache;
        }
    }
    if may_store && snapshot.version % PROBE_EVERY == 1 {
        // A user without the permission for these requests still gets the rest.
        if let Ok(probes) = with_timeout(client.transport().probe_stores(None)).await {
            snapshot.store_faults = probes.into_iter().filter(|it| it.answer.is_fault()).collect();
        }
    }
    summarize(snapshot, windows, now);
    snapshot.holds = snapshot.find_all_holds(now);
    snapshot.read_at = Some(now);
    Ok(())
}

/// Adds the reports since the last read to the history.
async fn read_reports(
    client: &Client,
    snapshot: &Snapshot,
    next_report: &mut u64,
) -> Result<(), String> {
    loop {
        let page = with_timeout(client.transport().stats_since(*next_report, PAGE)).await?;
        *next_report = page.next;
        let now = client.now();
        let mut history = sync::write(&snapshot.history);
        page.reports.into_iter().for_each(|report| history.apply(report, now));
        if !page.more {
            return Ok(());
        }
    }
}

/// Computes what pages show from the history.
fn summarize(snapshot: &mut Snapshot, windows: &mut WindowTotals, now: Timestamp) {
    sync::write(&snapshot.history).advance(now);
    // A read lock, so that pages can be rendered meanwhile.
    let history = sync::read(&snapshot.history);
    [snapshot.minutes, snapshot.hour, snapshot.day] = windows.read(&history, now);
    snapshot.storms = storms(&history, &StormRules::default(), now);
    snapshot.due = history.due_by_task(Duration::from_secs(60 * 60), now);
    let spark = Duration::from_secs(60 * u64::from(SPARK_MINUTES));
    snapshot.starts = history.starts_by_queue(spark, SPARK_MINUTES, now);
}
