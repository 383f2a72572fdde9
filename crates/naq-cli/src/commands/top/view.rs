//! [`TopView`]: everything that is shown, as data. Pure: computed from [`TopData`] and the time.

use std::time::Duration;

use clap::ValueEnum;
use naq_client::Hold;
use naq_core::Timestamp;
use naq_core::clock::millis;
use naq_core::stats::{Counts, Helped, Pulse, StormRules, storms};
use serde::Serialize;

use super::feed::TopData;
use super::rows::{TopErrorRow, TopQueueRow, TopTaskRow, TopWorkerRow};

/// The order of the tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Sort {
    /// The most attempts first.
    #[default]
    Starts,
    /// The largest share of retries first.
    Retries,
    /// The most dead jobs first.
    Dead,
    /// By name.
    Name,
}

/// Events per second, averaged over the last ten seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct TopRates {
    pub(super) started: f64,
    pub(super) completed: f64,
    pub(super) failed: f64,
    /// The share of starts that were retries, 0 to 1.
    pub(super) retry_share: Option<f64>,
}

/// Events in the time window.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TopWindow {
    pub(super) ms: u64,
    pub(super) started: u64,
    pub(super) completed: u64,
    pub(super) retried: u64,
    pub(super) dead: u64,
    pub(super) cancelled: u64,
    pub(super) expired: u64,
    pub(super) crashes: u64,
    pub(super) retry_share: Option<f64>,
    /// Whether retries help, in one sentence.
    pub(super) retries: String,
}

/// Everything that is shown. The JSON names are stable; scripts may rely on them.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TopView {
    pub(super) at: Timestamp,
    pub(super) broker: String,
    /// Since when the data is stale, and why.
    pub(super) stale_since: Option<Timestamp>,
    pub(super) problem: Option<String>,
    pub(super) sort: Sort,
    /// None until there are a few seconds to average over.
    pub(super) rates: Option<TopRates>,
    pub(super) window: TopWindow,
    pub(super) storms: Vec<String>,
    /// What holds jobs and does not end in normal work.
    pub(super) holds: Vec<Hold>,
    pub(super) queues: Vec<TopQueueRow>,
    pub(super) tasks: Vec<TopTaskRow>,
    pub(super) workers: Vec<TopWorkerRow>,
    pub(super) errors: Vec<TopErrorRow>,
}

/// Seconds that rates are averaged over.
const SECONDS: u64 = 10;
/// With fewer seconds no rate is shown.
const MIN_SECONDS: u64 = 3;

impl TopView {
    pub(super) fn of(data: &TopData, now: Timestamp, window: Duration, sort: Sort) -> Self {
        let totals = data.history.totals(window, now);
        let mut tasks: Vec<_> = totals
            .tasks()
            .map(|(queue, task, counts)| TopTaskRow::new(queue, task, counts))
            .collect();
        arrange(&mut tasks, sort);
        let groups = data.history.groups(window, 1, now);
        Self {
            at: now,
            broker: data.server.clone(),
            stale_since: data.problem.as_ref().and(data.read_at),
            problem: data.problem.clone(),
            sort,
            rates: rates(data, now),
            window: TopWindow::of(&totals.all(), window),
            storms: storms(&data.history, &StormRules::default(), now)
                .iter()
                .map(ToString::to_string)
                .collect(),
            holds: data.holds.iter().filter(|it| it.cause.needs_operator()).cloned().collect(),
            queues: data
                .queues
                .iter()
                .map(|q| TopQueueRow::new(q, &data.runs, &data.workers, now))
                .collect(),
            tasks,
            workers: data.workers.iter().map(|worker| TopWorkerRow::new(worker, now)).collect(),
            errors: groups.into_iter().map(|it| TopErrorRow::new(it.group, now)).collect(),
        }
    }
}

impl TopWindow {
    fn of(counts: &Counts, window: Duration) -> Self {
        Self {
            ms: millis(window),
            started: counts.starts.total(),
            completed: counts.completed.total(),
            retried: counts.retried.total(),
            dead: counts.dead.total(),
            cancelled: counts.cancelled,
            expired: counts.expired,
            crashes: counts.crashes,
            retry_share: counts.retry_share(),
            retries: Helped::of(counts).to_string(),
        }
    }
}

/// The rates over the last whole seconds since the first read, at most ten.
fn rates(data: &TopData, now: Timestamp) -> Option<TopRates> {
    let second = now.as_millis() / 1_000;
    let watched = now.since(data.began_at?).as_secs().min(SECONDS);
    if watched < MIN_SECONDS {
        return None;
    }
    let recent = |pulse: &&Pulse| (second - watched..second).contains(&pulse.second);
    let sum = |of: fn(&Pulse) -> u64| data.history.pulse().filter(recent).map(of).sum::<u64>();
    let rate = |of| sum(of) as f64 / watched as f64;
    let (starts, retries) = (sum(|it| it.starts), sum(|it| it.retries));
    Some(TopRates {
        started: rate(|it| it.starts),
        completed: rate(|it| it.completed),
        failed: rate(|it| it.failed),
        retry_share: (starts > 0).then(|| retries as f64 / starts as f64),
    })
}

/// Sorts the tasks. Equal ones stay in the order of their names.
fn arrange(tasks: &mut [TopTaskRow], sort: Sort) {
    let share = |task: &TopTaskRow| task.retry_share.unwrap_or(-1.0);
    match sort {
        Sort::Name => tasks.sort_by(|a, b| a.task.cmp(&b.task)),
        Sort::Starts => tasks.sort_by_key(|task| std::cmp::Reverse(task.starts)),
        Sort::Dead => tasks.sort_by_key(|task| std::cmp::Reverse(task.dead)),
        Sort::Retries => tasks.sort_by(|a, b| share(b).total_cmp(&share(a))),
    }
}
