//! Jobs in one state, filtered, page by page.

use std::fmt::Display;

use askama::Template;
use naq_core::transport::{JobKey, JobSummary, JobsQuery, Place};
use naq_core::{JobId, JobState, QueueName, TaskName, Timestamp};

use super::{NavTab, PageContent, PageError, job};
use crate::links::worker_path;
use crate::page_request::PageRequest;
use crate::view::{RelativeTime, clip, count, redacted, span};

/// The fields of the filter: name, label, example.
const FIELDS: [(&str, &str, &str); 7] = [
    ("queue", "Queue", "all"),
    ("task", "Task", "all"),
    ("kind", "Error kind", "HTTPError"),
    ("id", "Id begins with", ""),
    ("tag", "Tag", ""),
    ("since", "In this state since", "2h, or 2026-11-23T12:00:00Z"),
    ("until", "Until", "1h"),
];

#[derive(Template)]
#[template(path = "jobs.html")]
struct JobListPage {
    action: String,
    chips: Vec<StateChip>,
    state: String,
    fields: Vec<FilterField>,
    filtered: bool,
    clear: String,
    /// Jobs whose id is exactly the id in the filter.
    exact_matches: Vec<(String, String)>,
    list: Option<JobList>,
    queues: Vec<String>,
}

struct StateChip {
    words: String,
    class: &'static str,
    name: &'static str,
    link: String,
    here: bool,
    /// The number of jobs, if the broker or the statistics have a count.
    count: Option<u64>,
    /// The time that the count covers.
    period: &'static str,
}

struct FilterField {
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    value: String,
    error: Option<String>,
}

struct JobList {
    rows: Vec<JobRow>,
    /// Whether the list is of the jobs that the broker has delivered.
    are_delivered: bool,
    scanned: String,
    skipped: usize,
    found: String,
    next: Option<String>,
    first: Option<String>,
}

struct JobRow {
    link: String,
    id: String,
    queue: String,
    state: JobState,
    task: String,
    attempt: String,
    /// What a worker does with a job that the broker has delivered: `running` or `taken`.
    delivered: Option<&'static str>,
    /// The worker that runs it, the link to it, and for how long.
    worker: Option<(String, String, Option<String>)>,
    due: Option<RelativeTime>,
    since: RelativeTime,
    error: Option<(String, String)>,
}

/// Which jobs a list has: those in one state, or all that wait until they are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListScope {
    State(JobState),
    Waiting,
}

impl ListScope {
    const ALL: [Self; 10] = [
        Self::State(JobState::Pending),
        Self::State(JobState::Running),
        Self::Waiting,
        Self::State(JobState::Retrying),
        Self::State(JobState::Scheduled),
        Self::State(JobState::Blocked),
        Self::State(JobState::Dead),
        Self::State(JobState::Completed),
        Self::State(JobState::Cancelled),
        Self::State(JobState::Expired),
    ];

    fn name(self) -> &'static str {
        match self {
            Self::State(state) => state.as_str(),
            Self::Waiting => "waiting",
        }
    }

    fn query(self) -> JobsQuery {
        match self {
            Self::State(state) => JobsQuery::of(state),
            Self::Waiting => JobsQuery::at(Place::Schedule),
        }
    }

    /// Active jobs by the broker's counters, ended jobs by the statistics of the last day.
    fn count(self, request: &PageRequest<'_>, queue: Option<&QueueName>) -> Option<u64> {
        let snapshot = &request.snapshot;
        let selected = |name: &QueueName| queue.is_none_or(|queue| queue == name);
        let sum = |number: fn(&naq_core::transport::QueueInfo) -> u64| {
            Some(snapshot.queues.iter().filter(|q| selected(&q.name)).map(number).sum())
        };
        let ended = || match queue {
            Some(queue) => snapshot.day.queue(queue),
            None => snapshot.day.all(),
        };
        match self {
            Self::State(JobState::Pending) => sum(|queue| queue.pending),
            Self::State(JobState::Running) => sum(|queue| queue.running),
            Self::Waiting => sum(|queue| queue.waiting),
            Self::State(JobState::Dead) => sum(|queue| queue.dead),
            Self::State(JobState::Completed) => Some(ended().completed.total()),
            Self::State(JobState::Cancelled) => Some(ended().cancelled),
            Self::State(JobState::Expired) => Some(ended().expired),
            _ => None,
        }
    }

    fn ended(self) -> bool {
        let ended = [JobState::Completed, JobState::Cancelled, JobState::Expired];
        matches!(self, Self::State(state) if ended.contains(&state))
    }
}

pub(super) async fn render(request: &PageRequest<'_>) -> Result<PageContent, PageError> {
    let queue = request.get("queue").and_then(|name| QueueName::new(name).ok());
    let counts = ListScope::ALL.map(|scope| scope.count(request, queue.as_ref()));
    let asked = request.get("state");
    let chosen = ListScope::ALL.into_iter().find(|scope| Some(scope.name()) == asked);
    // Without a state in the query: the first state that has jobs.
    let with_jobs = ListScope::ALL.into_iter().zip(counts).find(|(_, n)| n.is_some_and(|n| n > 0));
    let scope =
        chosen.or(with_jobs.map(|(scope, _)| scope)).unwrap_or(ListScope::State(JobState::Pending));
    let chips = ListScope::ALL.into_iter().zip(counts).map(|(chip, count)| StateChip {
        words: count.map_or_else(String::new, crate::view::count),
        class: if chip == ListScope::Waiting { "warn" } else { "" },
        name: chip.name(),
        link: state_link(request, chip),
        here: chip == scope,
        count,
        period: if chip.ended() { "in the last day" } else { "" },
    });
    let mut page = JobListPage {
        action: request.link("/jobs"),
        chips: chips.collect(),
        state: scope.name().into(),
        fields: FIELDS.map(|field| read(request, field)).into(),
        filtered: FIELDS.iter().any(|(name, ..)| request.get(name).is_some()),
        clear: request.with_only([("state", scope.name())]),
        exact_matches: Vec::new(),
        list: None,
        queues: request.snapshot.queues.iter().map(|queue| queue.name.to_string()).collect(),
    };
    if !request.live
        && let Some(query) = query(request, scope, &mut page.fields)
    {
        if let Some(id) = request.get("id").and_then(|id| JobId::new(id).ok()) {
            page.exact_matches = exact_matches(request, &id).await?;
        }
        page.list = Some(list(request, &query).await?);
    }
    Ok(PageContent { title: "Jobs".into(), tab: NavTab::Jobs, body: page.render()? })
}

/// The link to the first page of another state, with the same filter.
fn state_link(request: &PageRequest<'_>, scope: ListScope) -> String {
    let get = |name| request.get(name).unwrap_or_default();
    let mut pairs = vec![("state", scope.name())];
    pairs.extend(FIELDS.map(|(name, ..)| (name, get(name))));
    request.with_only(pairs)
}

fn read(
    request: &PageRequest<'_>,
    (name, label, hint): (&'static str, &'static str, &'static str),
) -> FilterField {
    let value = request.get(name).map(str::trim).unwrap_or_default();
    FilterField { name, label, hint, value: value.to_owned(), error: None }
}

/// The query that the fields make; none if a field has an invalid value, which then gets an error.
fn query(
    request: &PageRequest<'_>,
    scope: ListScope,
    fields: &mut [FilterField],
) -> Option<JobsQuery> {
    let mut query = scope.query();
    let now = request.now();
    query.queue = value(fields, "queue", str::parse::<QueueName>);
    query.task = value(fields, "task", str::parse::<TaskName>);
    query.error_kind = value(fields, "kind", str::parse);
    query.tag = value(fields, "tag", |text| Ok::<_, String>(text.to_owned()));
    query.id_prefix = value(fields, "id", |text| Ok::<_, String>(text.to_owned()));
    query.since = value(fields, "since", |text| parse_time(text, now));
    query.until = value(fields, "until", |text| parse_time(text, now));
    query.cursor = request.get("from").and_then(|cursor| cursor.parse().ok());
    fields.iter().all(|field| field.error.is_none()).then_some(query)
}

fn value<T, E: Display>(
    fields: &mut [FilterField],
    name: &str,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    let field = fields.iter_mut().find(|field| field.name == name && !field.value.is_empty())?;
    match read(&field.value) {
        Ok(value) => Some(value),
        Err(err) => {
            field.error = Some(err.to_string());
            None
        }
    }
}

/// A time, or how long ago it was.
fn parse_time(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(now.saturating_sub(ago));
    }
    let invalid =
        format!("{text:?} is not a time: use one such as 2h (ago) or 2026-11-23T12:00:00Z");
    text.parse().map_err(|_| invalid)
}

async fn exact_matches(
    request: &PageRequest<'_>,
    id: &JobId,
) -> Result<Vec<(String, String)>, PageError> {
    let queues = request.app.client.transport().find(id).await?;
    let found = queues.iter().map(|queue| {
        let key = JobKey::new(queue.clone(), id.clone());
        (key.to_string(), job::link(request, &key))
    });
    Ok(found.collect())
}

async fn list(request: &PageRequest<'_>, query: &JobsQuery) -> Result<JobList, PageError> {
    let page = request.app.client.jobs(query).await?;
    let now = request.now();
    Ok(JobList {
        are_delivered: query.state == Some(JobState::Running),
        scanned: count(page.scanned as u64),
        skipped: page.skipped,
        found: count(page.jobs.len() as u64),
        next: page.next.map(|next| request.with("from", Some(&next.to_string()))),
        first: request.get("from").map(|_| request.with("from", None)),
        rows: page.jobs.into_iter().map(|found| row(request, found, now)).collect(),
    })
}

fn row(request: &PageRequest<'_>, found: JobSummary, now: Timestamp) -> JobRow {
    let max = found.max_attempts.map_or_else(String::new, |max| format!(" of {max}"));
    let message = found.message.unwrap_or_default();
    let delivered = found.state == JobState::Running;
    let run = request.snapshot.runs.of_job(&found.key).filter(|_| delivered);
    JobRow {
        delivered: delivered.then_some(match run {
            None => "taken",
            Some(run) if run.worker_is_gone => "lost",
            Some(_) => "running",
        }),
        worker: run.map(|run| {
            let took = run.started_at.map(|at| span(now.since(at)));
            (clip(run.worker.as_str(), 40), request.link(&worker_path(&run.worker)), took)
        }),
        link: job::link(request, &found.key),
        id: clip(found.key.id.as_str(), 60),
        queue: found.key.queue.to_string(),
        state: found.state,
        task: found.task.map_or_else(|| "unknown".into(), |task| task.to_string()),
        attempt: format!("{}{max}", found.attempt),
        due: found
            .due_at
            .filter(|_| !found.state.is_final() && found.state != JobState::Blocked)
            .map(|at| RelativeTime::new(at, now)),
        since: RelativeTime::new(found.stored_at, now),
        error: found.error_kind.map(|kind| (kind.to_string(), redacted(&message, 140))),
    }
}
