//! The one reader of the broker.

use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use naq_client::Client;
use naq_core::stats::{StormRules, storms};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::windows::Windows;
use super::{LINE, Snapshot};

/// Reports read at once; a day of 100 workers is 150 such pages.
const PAGE: usize = 1_000;
/// How long one question may take. The client waits longer than that for a broker that has gone.
const PATIENCE: Duration = Duration::from_secs(4);
/// Looks from one at the batches to the next, while none of them moves.
const BATCHES_EVERY: u64 = 5;
/// Looks from one at what changes seldom to the next.
const SELDOM: u64 = 5;

/// Reads the broker every `interval` until nobody has the receiver any more.
pub(crate) fn poll(client: Client, interval: Duration) -> watch::Receiver<Arc<Snapshot>> {
    let (sender, receiver) = watch::channel(Arc::new(Snapshot::default()));
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut next, mut windows) = (0, Windows::default());
        while !sender.is_closed() {
            ticks.tick().await;
            let last = sender.borrow().clone();
            let mut snapshot = Snapshot { version: last.version + 1, ..(*last).clone() };
            let looked = look(&client, &mut snapshot, &mut next, &mut windows);
            let problem = match AssertUnwindSafe(looked).catch_unwind().await {
                Ok(answer) => answer.err(),
                // A fault of ours must not leave old numbers on the page as if they were new.
                Err(_) => Some("a look at the broker has failed: the log says why".to_owned()),
            };
            if let Some(problem) = problem.as_ref().filter(|_| last.problem.is_none()) {
                tracing::warn!("the dashboard cannot read the broker: {problem}");
            }
            snapshot.problem = problem;
            snapshot.looked_at = Some(Instant::now());
            // Nobody listens: the loop ends.
            let _ = sender.send(Arc::new(snapshot));
        }
    });
    receiver
}

async fn look(
    client: &Client,
    snapshot: &mut Snapshot,
    next: &mut u64,
    windows: &mut Windows,
) -> Result<(), String> {
    loop {
        let page = patiently(client.transport().stats_since(*next, PAGE)).await?;
        *next = page.next;
        let now = client.now();
        let mut history = snapshot.history.write().unwrap_or_else(PoisonError::into_inner);
        page.reports.into_iter().for_each(|report| history.apply(report, now));
        if !page.more {
            break;
        }
    }
    snapshot.queues = patiently(client.queues()).await?;
    snapshot.workers = patiently(client.list_workers()).await?;
    snapshot.broker = Some(patiently(client.transport().broker()).await?);
    let now = client.now();
    if snapshot.version % BATCHES_EVERY == 1 || snapshot.batches.is_moving(now) {
        snapshot.batches.learn(patiently(client.batches()).await?, now);
    }
    if snapshot.version % SELDOM == 1 {
        // Who may not look at all of it sees the rest.
        if let Ok(streams) = patiently(client.transport().streams()).await {
            snapshot.streams = streams;
        }
        if let Ok(paused) = patiently(client.paused_tasks()).await {
            snapshot.paused_tasks = paused;
        }
    }
    snapshot.history.write().unwrap_or_else(PoisonError::into_inner).advance(now);
    // Pages go on being rendered while this adds up.
    let history = snapshot.history.read().unwrap_or_else(PoisonError::into_inner);
    [snapshot.minutes, snapshot.hour, snapshot.day] = windows.read(&history, now);
    snapshot.storms = storms(&history, &StormRules::default(), now);
    snapshot.due = history.due_by_task(Duration::from_secs(60 * 60), now);
    snapshot.lines = history.starts_by_queue(Duration::from_secs(60 * u64::from(LINE)), LINE, now);
    drop(history);
    snapshot.read_at = Some(now);
    Ok(())
}

async fn patiently<T, E: Display>(ask: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, ask).await {
        Ok(answer) => answer.map_err(|err| err.to_string()),
        Err(_) => Err(format!("the broker has not answered within {PATIENCE:?}")),
    }
}
