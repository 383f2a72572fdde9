//! Retries: how many come due, what share of the work they are, which jobs are at their last
//! attempt; and what to do about a storm.

use std::collections::BTreeMap;
use std::time::Duration;

use askama::Template;
use naq_client::ClientError;
use naq_core::flow::TaskPause;
use naq_core::stats::Counts;
use naq_core::transport::{JobSummary, JobsQuery, Order, SCAN};
use naq_core::{JobState, QueueName, TaskName, Timestamp};

use super::batch_form::{BatchForm, Verb};
use super::batches::Panel;
use super::choice::{Chip, Choice, Window};
use super::{Content, PageError, Tab};
use crate::chart::{Bin, bar, histogram};
use crate::scene::{Scene, encode};
use crate::view::{Moment, clean, count, percent, said, span};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// Tasks that are shown; the others are counted.
const MAX_TASKS: usize = 100;
/// Jobs with one attempt left that are shown.
const SHOWN: usize = 20;

#[derive(Template)]
#[template(path = "retries.html")]
struct Retries<'a> {
    prefix: &'a str,
    back: String,
    may_act: bool,
    minute: Due,
    hour: Due,
    windows: Vec<Chip>,
    words: &'static str,
    share: String,
    rows: Vec<Row>,
    /// Tasks that are not shown.
    hidden: usize,
    storms: Vec<String>,
    calm: Option<Calm>,
    paused: Vec<Paused>,
    last: Last,
    panel: Panel,
    live: bool,
}

/// Retries that come due.
struct Due {
    count: u64,
    words: String,
    chart: String,
}

struct Row {
    queue: String,
    task: String,
    starts: String,
    retries: u64,
    retries_words: String,
    share: String,
    bar: String,
    late: String,
    late_99: String,
    due: u64,
    due_words: String,
    calm: String,
}

/// A task that something is to be done about.
struct Calm {
    queue: String,
    task: String,
    form: BatchForm,
}

struct Paused {
    queue: String,
    task: String,
    who: String,
    reason: String,
    since: Moment,
    until: Option<Moment>,
}

/// Jobs that have one attempt left.
#[derive(Default)]
struct Last {
    jobs: Vec<LastJob>,
    found: usize,
    scanned: usize,
    /// Whether there are waiting jobs that were not looked at.
    more: bool,
}

struct LastJob {
    words: String,
    link: String,
    task: String,
    /// The last one: `4 of 4`.
    attempt: String,
    due: Option<Moment>,
}

pub(super) async fn render(scene: &Scene<'_>) -> Result<Content, PageError> {
    let window = Window::of(scene, Window::Minutes)?;
    let chosen = Choice::of(scene)?;
    let (last, paused) = match scene.live {
        true => (Last::default(), Vec::new()),
        false => (last_chances(scene).await?, scene.app.client.paused_tasks().await?),
    };
    let counts = window.totals(&scene.snapshot).all();
    let mut rows = rows(scene, window);
    let hidden = rows.len().saturating_sub(MAX_TASKS);
    rows.truncate(MAX_TASKS);
    let page = Retries {
        prefix: &scene.app.options.prefix,
        back: scene.with("", None),
        may_act: scene.access.may_act,
        minute: due(scene, MINUTE, 6, &["now", "30 s", "1 min"]),
        hour: due(scene, HOUR, 60, &["now", "15 min", "30 min", "45 min", "1 h"]),
        windows: window.chips(scene),
        words: window.words(),
        share: percent(counts.retry_share()),
        rows,
        hidden,
        storms: scene.snapshot.storms.iter().map(|storm| clean(&storm.to_string())).collect(),
        calm: calm(scene, chosen),
        paused: paused.iter().map(|pause| Paused::new(scene, pause)).collect(),
        last,
        panel: Panel::recent(scene),
        live: scene.live,
    };
    Ok(Content { title: "Retries".into(), tab: Tab::Retries, body: page.render()? })
}

/// The retries of the time ahead, in bins of equal length.
fn due(scene: &Scene<'_>, ahead: Duration, bins: u32, marks: &[&str]) -> Due {
    let now = scene.now();
    let slots = scene.snapshot.history().due(None, None, ahead, now);
    let width = ahead / bins;
    let bin = |at: u32| Bin {
        words: format!("in {} to {}", span(width * at), span(width * (at + 1))),
        count: 0,
    };
    let mut chart: Vec<Bin> = (0..bins).map(bin).collect();
    let begin = slot_of(now);
    for (at, n) in &slots {
        let place = at.since(begin).as_millis() / width.as_millis();
        let place = usize::try_from(place).unwrap_or(usize::MAX).min(chart.len() - 1);
        chart[place].count += n;
    }
    let sum = slots.iter().map(|(_, n)| n).sum();
    let words = count(sum);
    let label = format!("{words} retries come due within {}", span(ahead));
    Due { count: sum, chart: histogram(&chart, marks, &label), words }
}

/// The beginning of the slot that a moment is in.
fn slot_of(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis() / Counts::DUE_SLOT_MS * Counts::DUE_SLOT_MS)
}

/// The tasks with starts in the window or retries ahead, those with the most retries first.
fn rows(scene: &Scene<'_>, window: Window) -> Vec<Row> {
    let (totals, idle) = (window.totals(&scene.snapshot), Counts::default());
    let ahead = scene.snapshot.due.iter();
    let mut tasks: BTreeMap<_, _> =
        ahead.map(|((queue, task), due)| ((queue, task), (&idle, *due))).collect();
    for (queue, task, counts) in totals.tasks() {
        tasks.entry((queue, task)).or_insert((counts, 0)).0 = counts;
    }
    let row = |((queue, task), (counts, due)): ((&QueueName, &TaskName), (&Counts, u64))| {
        let share = counts.retry_share();
        let late = |q| counts.lateness.quantile(q).map_or_else(|| "–".to_owned(), span);
        let class = if share.unwrap_or(0.0) >= 0.5 { "bad" } else { "warn" };
        Row {
            queue: queue.to_string(),
            task: task.to_string(),
            starts: count(counts.starts.total()),
            retries: counts.retry_starts(),
            retries_words: count(counts.retry_starts()),
            share: percent(share),
            bar: bar(share.unwrap_or(0.0), class, &format!("{} retries", percent(share))),
            late: late(0.5),
            late_99: late(0.99),
            due,
            due_words: count(due),
            calm: scene.link(&format!(
                "/retries?queue={}&task={}#calm",
                encode(queue.as_str()),
                encode(task.as_str())
            )),
        }
    };
    let mut rows: Vec<_> = tasks.into_iter().map(row).collect();
    rows.sort_by_key(|row| std::cmp::Reverse((row.retries, row.due)));
    rows
}

/// The task that the address names, or the one of the worst storm.
fn calm(scene: &Scene<'_>, chosen: Choice) -> Option<Calm> {
    let stormy = scene.snapshot.storms.first().map(|it| (it.queue.clone(), it.task.clone()));
    let (queue, task) = chosen.queue.zip(chosen.task).or(stormy)?;
    let scope = vec![
        ("scope", "waiting".to_owned()),
        ("queue", queue.to_string()),
        ("task", task.to_string()),
    ];
    let form = BatchForm::new(scene, "calm-form", scope, &[Verb::Spread, Verb::Drip]);
    Some(Calm { queue: queue.to_string(), task: task.to_string(), form })
}

impl Paused {
    fn new(scene: &Scene<'_>, pause: &TaskPause) -> Self {
        let moment = |at| Moment::new(at, scene.now());
        Self {
            queue: pause.queue.to_string(),
            task: pause.task.to_string(),
            who: clean(&pause.who),
            reason: said(&pause.reason, 300),
            since: moment(pause.since),
            until: pause.until.map(moment),
        }
    }
}

/// The retries that have waited longest, and which of them have one attempt left.
async fn last_chances(scene: &Scene<'_>) -> Result<Last, ClientError> {
    let query =
        JobsQuery { order: Order::OldestFirst, limit: SCAN, ..JobsQuery::of(JobState::Retrying) };
    let page = scene.app.client.jobs(&query).await?;
    let of = |job: &JobSummary| LastJob::of(scene, job);
    let mut last = Last {
        jobs: page.jobs.iter().filter_map(of).collect(),
        found: 0,
        scanned: page.scanned,
        more: page.next.is_some(),
    };
    last.found = last.jobs.len();
    last.jobs.sort_by_key(|job| job.due.map(|due| due.at));
    last.jobs.truncate(SHOWN);
    Ok(last)
}

impl LastJob {
    /// None when its policy allows another attempt after the next.
    fn of(scene: &Scene<'_>, job: &JobSummary) -> Option<Self> {
        let key = &job.key;
        let (queue, id) = (encode(key.queue.as_str()), encode(key.id.as_str()));
        let most = job.max_attempts.filter(|most| job.attempt >= *most)?;
        Some(Self {
            words: key.to_string(),
            link: scene.link(&format!("/jobs/{queue}/{id}")),
            task: job.task.as_ref().map_or_else(String::new, ToString::to_string),
            attempt: format!("{} of {most}", job.attempt),
            due: job.due_at.map(|at| Moment::new(at, scene.now())),
        })
    }
}
