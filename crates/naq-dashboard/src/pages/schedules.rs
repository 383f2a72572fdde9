//! Schedules: when each is due next, and how its last run ended.

use askama::Template;
use naq_client::{ScheduleReport, ScheduleState};
use naq_core::schedule::When;
use naq_core::transport::{Evidence, Place};

use super::{NavTab, PageContent, PageError, job};
use crate::page_request::PageRequest;
use crate::view::{RelativeTime, clean, count, span};

/// The coming runs that the page shows for each schedule.
const COMING_RUNS: usize = 3;

#[derive(Template)]
#[template(path = "schedules.html")]
struct SchedulesPage<'a> {
    prefix: &'a str,
    may_act: bool,
    loaded: bool,
    rows: Vec<ScheduleRow>,
    /// The errors of schedules that this version cannot read.
    unreadable: Vec<String>,
}

struct ScheduleRow {
    may_act: bool,
    name: String,
    state: &'static str,
    tone: &'static str,
    when: String,
    words: String,
    zone: String,
    task: String,
    queue: String,
    next: Vec<(RelativeTime, String)>,
    last: Option<LastRunCell>,
    runs: String,
    skipped: String,
    rules: String,
    paused: bool,
    finished: bool,
}

struct LastRunCell {
    link: String,
    key: String,
    tick: RelativeTime,
    state: &'static str,
    tone: &'static str,
}

pub(super) async fn render(request: &PageRequest<'_>) -> Result<PageContent, PageError> {
    let mut page = SchedulesPage {
        prefix: &request.app.options.prefix,
        may_act: request.access.may_act(),
        loaded: !request.live,
        rows: Vec::new(),
        unreadable: Vec::new(),
    };
    if !request.live {
        let client = &request.app.client;
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
        // One call for all runs; the answers come in the order of the keys.
        let mut evidence = client.transport().evidence(&keys).await?.into_iter();
        page.rows = readable
            .iter()
            .map(|report| {
                let evidence = last(report).and_then(|_| evidence.next());
                row(request, report, &evidence.unwrap_or_default())
            })
            .collect();
    }
    Ok(PageContent { title: "Schedules".into(), tab: NavTab::Schedules, body: page.render()? })
}

fn row(request: &PageRequest<'_>, report: &ScheduleReport, evidence: &[Evidence]) -> ScheduleRow {
    let now = request.now();
    let schedule = &report.schedule;
    let progress = &report.progress;
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
        .upcoming(COMING_RUNS)
        .into_iter()
        .map(|tick| (RelativeTime::new(tick.starts_at, now), schedule.time_zone.local(tick.at)));
    let mut rules =
        vec![format!("catch up: {}", schedule.catch_up), format!("overlap: {}", schedule.overlap)];
    rules.extend(
        Some(schedule.jitter).filter(|j| !j.is_zero()).map(|j| format!("jitter {}", span(j))),
    );
    rules.extend(schedule.max_runs.map(|max| format!("at most {} runs", count(max))));
    let template = schedule.job.envelope();
    ScheduleRow {
        may_act: request.access.may_operate(&template.queue),
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
            let (state, tone) = run_state(evidence);
            LastRunCell {
                link: job::link(request, &last.job),
                key: last.job.to_string(),
                tick: RelativeTime::new(last.tick, now),
                state,
                tone,
            }
        }),
        runs: count(progress.runs),
        skipped: count(progress.skipped),
        rules: rules.join(", "),
        paused: report.state == ScheduleState::Paused,
        finished: report.state == ScheduleState::Finished,
    }
}

/// The state of a run by the messages that the broker has of it, and its colour.
fn run_state(evidence: &[Evidence]) -> (&'static str, &'static str) {
    let at = |place| evidence.iter().any(|message| message.place == place);
    match () {
        () if at(Place::Dead) || evidence.iter().any(|message| message.died) => ("dead", "bad"),
        () if at(Place::Record) => ("ended", "good"),
        () if at(Place::Schedule) => ("waiting", "warn"),
        () if at(Place::Queue) => ("pending or running", "info"),
        () => ("ended, its record has expired", "muted"),
    }
}
