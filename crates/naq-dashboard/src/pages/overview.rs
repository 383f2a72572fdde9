//! Overview: what happens now, in ten seconds.

use std::time::Duration;

use askama::Template;
use naq_core::Timestamp;
use naq_core::stats::{Counts, Helped, History, Pulse};

use super::depth::{Depth, Figure};
use super::{Content, PageError, Tab};
use crate::chart::spark;
use crate::scene::Scene;
use crate::view::{Moment, clip, count, percent, rate, said, span};

/// Seconds of the throughput line.
const SECONDS: u64 = 120;
/// Seconds that the throughput is told of.
const NOW: u64 = 10;
/// Queues that are shown; the others are on their own page.
const MAX_QUEUES: usize = 12;
/// Error groups that are shown.
const MAX_GROUPS: usize = 5;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview<'a> {
    scene: &'a Scene<'a>,
    /// Jobs completed a second.
    rate: String,
    throughput: String,
    pending: Figure,
    oldest: Option<String>,
    running: Figure,
    slots: Figure,
    workers: usize,
    retry_share: String,
    waiting: Figure,
    dead: Figure,
    helped: String,
    broker: Option<String>,
    broker_words: String,
    outcomes: Vec<Outcome>,
    /// Since when anything is known, where that is less than the day.
    known_since: Option<Moment>,
    queues: Vec<Depth>,
    more_queues: usize,
    groups: Vec<Group>,
}

/// What is counted, in the three windows.
struct Outcome {
    name: &'static str,
    words: &'static str,
    class: &'static str,
    figures: [Figure; 3],
}

struct Group {
    link: String,
    kind: String,
    pattern: String,
    task: String,
    count: String,
}

pub(super) fn render(scene: &Scene<'_>) -> Result<Content, PageError> {
    let snapshot = &scene.snapshot;
    let (queues, now) = (&snapshot.queues, scene.now());
    let sum = |of: fn(&naq_core::transport::QueueInfo) -> u64| -> Figure {
        queues.iter().map(of).fold(0, u64::saturating_add).into()
    };
    let slots = |of: fn(&naq_core::transport::WorkerInfo) -> u32| -> Figure {
        snapshot.workers.iter().map(|worker| u64::from(of(worker))).sum::<u64>().into()
    };
    let second = snapshot.read_at.unwrap_or(now).as_millis() / 1_000;
    let (pulse, groups, known_since) = {
        let history = snapshot.history();
        let pulse = by_second(history.pulse(), second);
        let groups = history.groups(Duration::from_secs(3_600), 1, now);
        (pulse, groups, known_since(&history, now))
    };
    let latest = pulse.iter().rev().take(NOW as usize).sum();
    let label =
        format!("jobs completed a second over the last two minutes, now {latest} in {NOW} s");
    // The fullest first.
    let mut fullest: Vec<_> = queues.iter().collect();
    fullest.sort_by_key(|info| std::cmp::Reverse((info.pending + info.running, info.waiting)));
    let broker = snapshot.broker.as_ref();
    let page = Overview {
        scene,
        rate: rate(latest, Duration::from_secs(NOW)),
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
        queues: fullest.iter().take(MAX_QUEUES).map(|info| Depth::new(info, scene)).collect(),
        groups: groups.iter().take(MAX_GROUPS).map(|it| Group::new(scene, &it.group)).collect(),
    };
    Ok(Content { title: "Overview".into(), tab: Tab::Overview, body: page.render()? })
}

impl Group {
    fn new(scene: &Scene<'_>, group: &naq_core::stats::ErrorGroup) -> Self {
        Self {
            link: scene.link(&format!("/failures/{}", group.id())),
            kind: clip(group.kind.as_str(), 80),
            pattern: said(&group.pattern, 200),
            task: group.task.to_string(),
            count: count(group.count),
        }
    }
}

/// Of when the oldest report is, where a day is not known yet, or was cut.
pub(super) fn known_since(history: &History, now: Timestamp) -> Option<Moment> {
    const NEARLY_A_DAY: Duration = Duration::from_secs(24 * 60 * 60 - 10 * 60);
    let since = history.known_since().filter(|since| now.since(*since) < NEARLY_A_DAY)?;
    Some(Moment::new(since, now))
}

/// Completed jobs second by second up to `last`, also where nobody told anything.
fn by_second<'a>(pulse: impl Iterator<Item = &'a Pulse>, last: u64) -> Vec<u64> {
    let first = (last + 1).saturating_sub(SECONDS);
    let mut line = vec![0; SECONDS as usize];
    for pulse in pulse {
        let index = pulse.second.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        if let Some(second) = index.and_then(|at| line.get_mut(at)) {
            *second += pulse.completed;
        }
    }
    line
}

fn outcomes(windows: [Counts; 3]) -> Vec<Outcome> {
    let row = |name, words, class, of: fn(&Counts) -> u64| Outcome {
        name,
        words,
        class,
        figures: [&windows[0], &windows[1], &windows[2]].map(|counts| of(counts).into()),
    };
    vec![
        row("starts", "Attempts started", "", |c| c.starts.total()),
        row("completed", "Jobs completed", "state-completed", |c| c.completed.total()),
        row("saved", "of them after a retry", "", |c| c.completed.from(2)),
        row("retried", "Attempts failed, tried again", "state-retrying", |c| c.retried.total()),
        row("dead", "Jobs dead", "state-dead", |c| c.dead.total()),
        row("cancelled", "Jobs cancelled", "state-cancelled", |c| c.cancelled),
        row("expired", "Jobs expired", "state-expired", |c| c.expired),
        row("crashes", "Worker deaths found out", "", |c| c.crashes),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_without_news_are_zeros_and_strange_ones_are_left_out() {
        let at = |second, completed| Pulse { second, starts: 0, retries: 0, completed, failed: 0 };
        let pulse = [at(0, 9), at(881, 1), at(999, 2), at(1_000, 3), at(u64::MAX, 9)];
        let line = by_second(pulse.iter(), 1_000);
        assert_eq!((line.len(), line[0], line[118], line[119]), (120, 1, 2, 3));
        assert_eq!(line.iter().sum::<u64>(), 6);
        assert_eq!(by_second(pulse.iter(), 3).iter().sum::<u64>(), 9);
    }
}
