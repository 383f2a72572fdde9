//! Overview: the state of everything on one screen.

use std::time::Duration;

use askama::Template;
use naq_client::{Need, find_needs};
use naq_core::Timestamp;
use naq_core::stats::{Counts, Helped, History, Pulse};

use super::hold_row::HoldRow;
use super::queue_depth::{Number, QueueDepth};
use super::{NavTab, PageContent, PageError};
use crate::chart::spark;
use crate::links::encode;
use crate::page_request::PageRequest;
use crate::view::{RelativeTime, clip, count, percent, rate, redacted, span};

/// Seconds in the throughput chart.
const CHART_SECONDS: u64 = 120;
/// The seconds that the throughput is an average of.
const RATE_SECONDS: u64 = 10;
/// The most queues that the page shows; the page of queues has all.
const MAX_QUEUES: usize = 12;
/// The most things that hold jobs; the pages of the queues have all.
const MAX_HOLDS: usize = 10;
/// The most error groups that the page shows.
const MAX_GROUPS: usize = 5;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage<'a> {
    request: &'a PageRequest<'a>,
    /// What holds jobs and does not end in normal work.
    holds: Vec<HoldRow>,
    more_holds: usize,
    /// Queues and workers that are not as they should be: the text and the link to the page.
    needs: Vec<(String, String)>,
    /// Jobs completed a second.
    rate: String,
    throughput: String,
    pending: Number,
    oldest: Option<String>,
    running: Number,
    slots: Number,
    workers: usize,
    retry_share: String,
    waiting: Number,
    dead: Number,
    helped: String,
    broker: Option<String>,
    broker_words: String,
    outcomes: Vec<OutcomeCount>,
    /// When the statistics start, if they cover less than a day.
    known_since: Option<RelativeTime>,
    queues: Vec<QueueDepth>,
    more_queues: usize,
    groups: Vec<ErrorGroupRow>,
}

/// One outcome, counted in the three windows.
struct OutcomeCount {
    name: &'static str,
    words: &'static str,
    class: &'static str,
    figures: [Number; 3],
}

struct ErrorGroupRow {
    link: String,
    kind: String,
    pattern: String,
    task: String,
    count: String,
}

pub(super) fn render(request: &PageRequest<'_>) -> Result<PageContent, PageError> {
    let snapshot = &request.snapshot;
    let queues = &snapshot.queues;
    let now = request.now();
    let sum = |of: fn(&naq_core::transport::QueueInfo) -> u64| -> Number {
        queues.iter().map(of).fold(0, u64::saturating_add).into()
    };
    let slots = |of: fn(&naq_core::transport::WorkerInfo) -> u32| -> Number {
        snapshot.workers.iter().map(|worker| u64::from(of(worker))).sum::<u64>().into()
    };
    let second = snapshot.read_at.unwrap_or(now).as_millis() / 1_000;
    let (pulse, groups, known_since) = {
        let history = snapshot.history();
        let pulse = by_second(history.pulse(), second);
        let groups = history.groups(Duration::from_secs(3_600), 1, now);
        (pulse, groups, known_since(&history, now))
    };
    let latest = pulse.iter().rev().take(RATE_SECONDS as usize).sum();
    let label = format!(
        "jobs completed a second in the last two minutes; {latest} in the last {RATE_SECONDS} s"
    );
    // Most jobs first.
    let mut fullest: Vec<_> = queues.iter().collect();
    fullest.sort_by_key(|info| std::cmp::Reverse((info.pending + info.running, info.waiting)));
    let broker = snapshot.broker.as_ref();
    let holds: Vec<_> = snapshot.holds.iter().filter(|it| it.cause.needs_operator()).collect();
    let page = OverviewPage {
        request,
        more_holds: holds.len().saturating_sub(MAX_HOLDS),
        needs: find_needs(queues, &snapshot.workers, now)
            .iter()
            .take(MAX_HOLDS)
            .map(|need| (clip(need.text(), 300), request.link(&need_path(need))))
            .collect(),
        holds: holds.iter().take(MAX_HOLDS).map(|hold| HoldRow::new(hold, request, now)).collect(),
        rate: rate(latest, Duration::from_secs(RATE_SECONDS)),
        throughput: spark(&pulse, &label),
        pending: sum(|info| info.pending),
        oldest: queues.iter().filter_map(|info| info.oldest).max().map(span),
        running: slots(|worker| worker.running),
        slots: slots(|worker| worker.concurrency),
        workers: snapshot.workers.len(),
        retry_share: percent(snapshot.minutes.all().retry_share()),
        waiting: sum(|info| info.waiting),
        dead: sum(|info| info.dead),
        helped: Helped::of(&snapshot.hour.all()).to_string(),
        broker: broker.map(|broker| clip(&broker.server, 60)),
        broker_words: match (&snapshot.problem, broker) {
            (Some(_), _) => "does not answer".to_owned(),
            (None, None) => "not read yet".to_owned(),
            (None, Some(broker)) => super::broker::clock(broker.clock_ahead_ms),
        },
        outcomes: outcomes([&snapshot.minutes, &snapshot.hour, &snapshot.day].map(|t| t.all())),
        known_since,
        more_queues: fullest.len().saturating_sub(MAX_QUEUES),
        queues: fullest
            .iter()
            .take(MAX_QUEUES)
            .map(|info| QueueDepth::new(info, request))
            .collect(),
        groups: groups
            .iter()
            .take(MAX_GROUPS)
            .map(|it| ErrorGroupRow::new(request, &it.group))
            .collect(),
    };
    Ok(PageContent { title: "Overview".into(), tab: NavTab::Overview, body: page.render()? })
}

/// The page that shows more of it.
fn need_path(need: &Need) -> String {
    match need {
        Need::QueueBehind { queue, .. } => format!("/queues/{}", encode(queue.as_str())),
        Need::WorkerTakesNothing { worker, .. } | Need::ClockOff { worker, .. } => {
            format!("/workers?name={}", encode(worker.as_str()))
        }
        _ => "/workers".to_owned(),
    }
}

impl ErrorGroupRow {
    fn new(request: &PageRequest<'_>, group: &naq_core::stats::ErrorGroup) -> Self {
        Self {
            link: request.link(&format!("/failures/{}", group.id())),
            kind: clip(group.kind.as_str(), 80),
            pattern: redacted(&group.pattern, 200),
            task: group.task.to_string(),
            count: count(group.count),
        }
    }
}

/// When the oldest report is from, if the statistics cover less than a day.
pub(super) fn known_since(history: &History, now: Timestamp) -> Option<RelativeTime> {
    const NEARLY_A_DAY: Duration = Duration::from_secs(24 * 60 * 60 - 10 * 60);
    let since = history.known_since().filter(|since| now.since(*since) < NEARLY_A_DAY)?;
    Some(RelativeTime::new(since, now))
}

/// Completed jobs in each second up to the second `last`; 0 for a second without a report.
fn by_second<'a>(pulse: impl Iterator<Item = &'a Pulse>, last: u64) -> Vec<u64> {
    let first = (last + 1).saturating_sub(CHART_SECONDS);
    let mut counts = vec![0; CHART_SECONDS as usize];
    for pulse in pulse {
        let index = pulse.second.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        if let Some(second) = index.and_then(|at| counts.get_mut(at)) {
            *second += pulse.completed;
        }
    }
    counts
}

fn outcomes(windows: [Counts; 3]) -> Vec<OutcomeCount> {
    let row = |name, words, class, of: fn(&Counts) -> u64| OutcomeCount {
        name,
        words,
        class,
        figures: [&windows[0], &windows[1], &windows[2]].map(|counts| of(counts).into()),
    };
    vec![
        row("starts", "Attempts started", "", |c| c.starts.total()),
        row("completed", "Jobs completed", "state-completed", |c| c.completed.total()),
        row("saved", "of them after a retry", "", |c| c.completed.from(2)),
        row("retried", "Attempts failed, then retried", "state-retrying", |c| c.retried.total()),
        row("dead", "Jobs dead", "state-dead", |c| c.dead.total()),
        row("cancelled", "Jobs cancelled", "state-cancelled", |c| c.cancelled),
        row("expired", "Jobs expired", "state-expired", |c| c.expired),
        row("crashes", "Worker crashes detected", "", |c| c.crashes),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_without_a_report_is_zero_and_one_outside_the_chart_is_left_out() {
        let at = |second, completed| Pulse { second, starts: 0, retries: 0, completed, failed: 0 };
        let pulse = [at(0, 9), at(881, 1), at(999, 2), at(1_000, 3), at(u64::MAX, 9)];
        let counts = by_second(pulse.iter(), 1_000);
        assert_eq!((counts.len(), counts[0], counts[118], counts[119]), (120, 1, 2, 3));
        assert_eq!(counts.iter().sum::<u64>(), 6);
        assert_eq!(by_second(pulse.iter(), 3).iter().sum::<u64>(), 9);
    }
}
