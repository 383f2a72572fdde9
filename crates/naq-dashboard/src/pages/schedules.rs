//! Schedules: what recurs, when it comes next, and what became of the last run.

use askama::Template;
use naq_client::{ScheduleReport, ScheduleState};
use naq_core::schedule::When;
use naq_core::transport::{Evidence, Place};

use super::{Content, PageError, Tab, job};
use crate::scene::Scene;
use crate::view::{Moment, clean, count, span};

/// Runs to come that are shown of each.
const SHOWN: usize = 3;

#[derive(Template)]
#[template(path = "schedules.html")]
struct Page<'a> {
    prefix: &'a str,
    may_act: bool,
    loaded: bool,
    rows: Vec<Row>,
    /// Those that this version cannot read, and why.
    unreadable: Vec<String>,
}

struct Row {
    name: String,
    state: &'static str,
    tone: &'static str,
    when: String,
    words: String,
    zone: String,
    task: String,
    queue: String,
    next: Vec<(Moment, String)>,
    last: Option<Last>,
    runs: String,
    skipped: String,
    rules: String,
    paused: bool,
    finished: bool,
}

struct Last {
    link: String,
    key: String,
    tick: Moment,
    /// How it stands.
    stands: &'static str,
    tone: &'static str,
}

pub(super) async fn render(scene: &Scene<'_>) -> Result<Content, PageError> {
    let mut page = Page {
        prefix: &scene.app.options.prefix,
        may_act: scene.access.may_act,
        loaded: !scene.live,
        rows: Vec::new(),
        unreadable: Vec::new(),
    };
    if !scene.live {
        let client = &scene.app.client;
        let all =
            client.schedules().list().await.map_err(|err| PageError::broker(err.to_string()))?;
        let mut readable = Vec::new();
        for found in all {
            match found {
                Ok(report) => readable.push(report),
                Err(err) => page.unreadable.push(clean(&err.to_string())),
            }
        }
        let last = |report: &ScheduleReport| report.progress.last.as_ref().map(|l| l.job.clone());
        let keys: Vec<_> = readable.iter().filter_map(last).collect();
        // All of them in few requests, in the order of the keys.
        let mut traces = client.transport().evidence(&keys).await?.into_iter();
        page.rows = readable
            .iter()
            .map(|report| {
                let traces = last(report).and_then(|_| traces.next());
                row(scene, report, &traces.unwrap_or_default())
            })
            .collect();
    }
    Ok(Content { title: "Schedules".into(), tab: Tab::Schedules, body: page.render()? })
}

fn row(scene: &Scene<'_>, report: &ScheduleReport, traces: &[Evidence]) -> Row {
    let now = scene.now();
    let (schedule, progress) = (&report.schedule, &report.progress);
    let (state, tone) = match report.state {
        ScheduleState::Active => ("active", "good"),
        ScheduleState::Paused => ("paused", "warn"),
        _ => ("finished", "muted"),
    };
    let (when, words) = match &schedule.when {
        When::Cron(cron) => (cron.to_string(), cron.describe()),
        When::Every(every) => (format!("every {}", span(*every)), String::new()),
    };
    let next = report
        .upcoming(SHOWN)
        .into_iter()
        .map(|tick| (Moment::new(tick.starts_at, now), schedule.time_zone.local(tick.at)));
    let mut rules =
        vec![format!("catch up: {}", schedule.catch_up), format!("overlap: {}", schedule.overlap)];
    rules.extend(
        Some(schedule.jitter).filter(|j| !j.is_zero()).map(|j| format!("jitter {}", span(j))),
    );
    rules.extend(schedule.max_runs.map(|max| format!("{} runs at most", count(max))));
    let template = schedule.job.envelope();
    Row {
        name: schedule.name.to_string(),
        state,
        tone,
        when,
        words,
        zone: schedule.time_zone.name().to_owned(),
        task: template.task.to_string(),
        queue: template.queue.to_string(),
        next: next.collect(),
        last: progress.last.as_ref().map(|last| {
            let (stands, tone) = stands(traces);
            let (link, tick) = (job::link(scene, &last.job), Moment::new(last.tick, now));
            Last { link, key: last.job.to_string(), tick, stands, tone }
        }),
        runs: count(progress.runs),
        skipped: count(progress.skipped),
        rules: rules.join(", "),
        paused: report.state == ScheduleState::Paused,
        finished: report.state == ScheduleState::Finished,
    }
}

/// What the traces of a run say of it.
fn stands(traces: &[Evidence]) -> (&'static str, &'static str) {
    let at = |place| traces.iter().any(|trace| trace.place == place);
    match () {
        () if at(Place::Dead) || traces.iter().any(|trace| trace.died) => ("dead", "bad"),
        () if at(Place::Record) => ("ended", "good"),
        () if at(Place::Schedule) => ("waits", "warn"),
        () if at(Place::Queue) => ("pending or running", "info"),
        () => ("ended, its record has expired", "muted"),
    }
}
