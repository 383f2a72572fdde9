//! Jobs: those in a state, filtered, page by page. Never all of them.

use std::fmt::Display;

use askama::Template;
use naq_core::transport::{JobSummary, JobsQuery, Place};
use naq_core::{JobId, JobState, QueueName, TaskName, Timestamp};

use super::{Content, PageError, Tab, job};
use crate::scene::{Scene, encode};
use crate::view::{Moment, clip, count, said};

/// The fields of the filter: name, label, what may stand there.
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
struct Page {
    action: String,
    chips: Vec<Chip>,
    state: String,
    fields: Vec<Field>,
    filtered: bool,
    clear: String,
    /// Jobs of exactly the id that was asked for.
    exact: Vec<(String, String)>,
    list: Option<List>,
    queues: Vec<String>,
}

struct Chip {
    words: String,
    class: &'static str,
    name: &'static str,
    link: String,
    here: bool,
    /// How many, where a counter says so.
    count: Option<u64>,
    /// Of which time they are.
    of: &'static str,
}

struct Field {
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    value: String,
    error: Option<String>,
}

struct List {
    rows: Vec<Row>,
    scanned: String,
    found: String,
    next: Option<String>,
    first: Option<String>,
}

struct Row {
    link: String,
    id: String,
    queue: String,
    state: JobState,
    task: String,
    attempt: String,
    due: Option<Moment>,
    since: Moment,
    error: Option<(String, String)>,
}

/// What a list is of: a state, or what waits for its time in whatever state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    State(JobState),
    Waiting,
}

impl Of {
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

    /// From the broker's counters, and for what has ended from the statistics of the last day.
    fn count(self, scene: &Scene<'_>, queue: Option<&QueueName>) -> Option<u64> {
        let snapshot = &scene.snapshot;
        let of = |name: &QueueName| queue.is_none_or(|queue| queue == name);
        let sum = |number: fn(&naq_core::transport::QueueInfo) -> u64| {
            Some(snapshot.queues.iter().filter(|q| of(&q.name)).map(number).sum())
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

pub(super) async fn render(scene: &Scene<'_>) -> Result<Content, PageError> {
    let queue = scene.get("queue").and_then(|name| QueueName::new(name).ok());
    let counts = Of::ALL.map(|of| of.count(scene, queue.as_ref()));
    let asked = scene.get("state");
    let chosen = Of::ALL.into_iter().find(|of| Some(of.name()) == asked);
    // Without a wish, the first in which there is something.
    let full = Of::ALL.into_iter().zip(counts).find(|(_, n)| n.is_some_and(|n| n > 0));
    let of = chosen.or(full.map(|(of, _)| of)).unwrap_or(Of::State(JobState::Pending));
    let chips = Of::ALL.into_iter().zip(counts).map(|(chip, count)| Chip {
        words: count.map_or_else(String::new, crate::view::count),
        class: if chip == Of::Waiting { "warn" } else { "" },
        name: chip.name(),
        link: state_link(scene, chip),
        here: chip == of,
        count,
        of: if chip.ended() { "in the last day" } else { "" },
    });
    let mut page = Page {
        action: scene.link("/jobs"),
        chips: chips.collect(),
        state: of.name().into(),
        fields: FIELDS.map(|field| read(scene, field)).into(),
        filtered: FIELDS.iter().any(|(name, ..)| scene.get(name).is_some()),
        clear: scene.with_only(&[("state", of.name())]),
        exact: Vec::new(),
        list: None,
        queues: scene.snapshot.queues.iter().map(|queue| queue.name.to_string()).collect(),
    };
    if !scene.live
        && let Some(query) = query(scene, of, &mut page.fields)
    {
        if let Some(id) = scene.get("id").and_then(|id| JobId::new(id).ok()) {
            page.exact = exact(scene, &id).await?;
        }
        page.list = Some(list(scene, &query).await?);
    }
    Ok(Content { title: "Jobs".into(), tab: Tab::Jobs, body: page.render()? })
}

/// The link to another state, with the same filter, from its beginning.
fn state_link(scene: &Scene<'_>, of: Of) -> String {
    let get = |name| scene.get(name).unwrap_or_default();
    let mut pairs = vec![("state", of.name())];
    pairs.extend(FIELDS.map(|(name, ..)| (name, get(name))));
    scene.with_only(&pairs)
}

fn read(
    scene: &Scene<'_>,
    (name, label, hint): (&'static str, &'static str, &'static str),
) -> Field {
    let value = scene.get(name).map(str::trim).unwrap_or_default();
    Field { name, label, hint, value: value.to_owned(), error: None }
}

/// What the fields ask for; none where one of them asks for what cannot be, which it then says.
fn query(scene: &Scene<'_>, of: Of, fields: &mut [Field]) -> Option<JobsQuery> {
    let mut query = of.query();
    let now = scene.now();
    query.queue = value(fields, "queue", str::parse::<QueueName>);
    query.task = value(fields, "task", str::parse::<TaskName>);
    query.error_kind = value(fields, "kind", str::parse);
    query.tag = value(fields, "tag", |text| Ok::<_, String>(text.to_owned()));
    query.id_prefix = value(fields, "id", |text| Ok::<_, String>(text.to_owned()));
    query.since = value(fields, "since", |text| moment(text, now));
    query.until = value(fields, "until", |text| moment(text, now));
    query.cursor = scene.get("from").and_then(|cursor| cursor.parse().ok());
    fields.iter().all(|field| field.error.is_none()).then_some(query)
}

fn value<T, E: Display>(
    fields: &mut [Field],
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

/// A moment, or how long ago it was.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(now.saturating_sub(ago));
    }
    let wrong = format!("{text:?}: use a time ago, as 2h, or a time as 2026-11-23T12:00:00Z");
    text.parse().map_err(|_| wrong)
}

async fn exact(scene: &Scene<'_>, id: &JobId) -> Result<Vec<(String, String)>, PageError> {
    let queues = scene.app.client.transport().find(id).await?;
    let found = queues.iter().map(|queue| {
        let link = format!("/jobs/{}/{}", encode(queue.as_str()), encode(id.as_str()));
        (format!("{queue}/{id}"), scene.link(&link))
    });
    Ok(found.collect())
}

async fn list(scene: &Scene<'_>, query: &JobsQuery) -> Result<List, PageError> {
    let page = scene.app.client.jobs(query).await?;
    let now = scene.now();
    Ok(List {
        scanned: count(page.scanned as u64),
        found: count(page.jobs.len() as u64),
        next: page.next.map(|next| scene.with("from", Some(&next.to_string()))),
        first: scene.get("from").map(|_| scene.with("from", None)),
        rows: page.jobs.into_iter().map(|found| row(scene, found, now)).collect(),
    })
}

fn row(scene: &Scene<'_>, found: JobSummary, now: Timestamp) -> Row {
    let max = found.max_attempts.map_or_else(String::new, |max| format!(" of {max}"));
    let message = found.message.unwrap_or_default();
    Row {
        link: job::link(scene, &found.key),
        id: clip(found.key.id.as_str(), 60),
        queue: found.key.queue.to_string(),
        state: found.state,
        task: found.task.map_or_else(|| "unknown".into(), |task| task.to_string()),
        attempt: format!("{}{max}", found.attempt),
        due: found
            .due_at
            .filter(|_| !found.state.is_final() && found.state != JobState::Blocked)
            .map(|at| Moment::new(at, now)),
        since: Moment::new(found.stored_at, now),
        error: found.error_kind.map(|kind| (kind.to_string(), said(&message, 140))),
    }
}
