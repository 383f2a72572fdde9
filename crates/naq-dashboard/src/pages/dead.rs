//! Dead letters: page by page, and what to do with one, some, or all that fit.

use askama::Template;
use naq_client::{DeadFilter, DeadSummary};
use naq_core::JobId;
use naq_core::stats::pattern;
use naq_core::transport::{Stored, TransportError};

use super::batch_form::{BatchForm, Verb};
use super::batches::Panel;
use super::choice::{self, Chip, Choice, named};
use super::failures::message;
use super::{Content, PageError, Tab};
use crate::scene::{Scene, encode};
use crate::view::{Moment, clip, count, said};

/// Letters of a page.
const SHOWN: usize = 50;
/// Letters that are read at once, and how often for one page at most.
const READ: usize = 200;
const READS: usize = 5;
/// Error groups that are offered to choose from.
const GROUPS: usize = 12;

#[derive(Template)]
#[template(path = "dead.html")]
struct Dead<'a> {
    prefix: &'a str,
    back: String,
    may_act: bool,
    live: bool,
    queues: Vec<Chip>,
    groups: Vec<Chip>,
    total: u64,
    total_words: String,
    filter: Filter,
    /// The filter in words; none without one.
    words: Option<String>,
    clear: String,
    rows: Vec<Row>,
    scanned: usize,
    first: Option<String>,
    next: Option<String>,
    selected: BatchForm,
    all: BatchForm,
    panel: Panel,
}

/// The fields of the filter, as they were given.
struct Filter {
    queue: String,
    task: String,
    kind: String,
    pattern: Option<String>,
    id: String,
}

struct Row {
    item: String,
    id: String,
    queue: String,
    link: String,
    task: String,
    kind: String,
    message: String,
    /// The list of its group.
    group: Option<String>,
    attempts: u32,
    rule: String,
    reason: String,
    died: Moment,
}

/// A page of letters.
#[derive(Default)]
struct Letters {
    found: Vec<Stored>,
    scanned: usize,
    next: Option<u64>,
}

pub(super) async fn render(scene: &Scene<'_>) -> Result<Content, PageError> {
    let filter = filter(scene)?;
    let from = named::<u64>(scene, "from")?.unwrap_or(0);
    let letters = match scene.live {
        true => Letters::default(),
        false => read(scene, &filter, from).await?,
    };
    let words = (filter != DeadFilter::default())
        .then(|| naq_client::BatchScope::Dead(filter.clone()).words(None));
    let queues = &scene.snapshot.queues;
    let total: u64 = queues.iter().map(|queue| queue.dead).sum();
    let by_queue = queues.iter().filter(|q| q.dead > 0).map(|q| (q.name.as_str(), q.dead));
    let page = Dead {
        prefix: &scene.app.options.prefix,
        back: scene.with("", None),
        may_act: scene.access.may_act,
        live: scene.live,
        queues: choice::chips(scene, "queue", "All queues", by_queue)
            .into_iter()
            .map(|chip| without_page(scene, chip))
            .collect(),
        groups: groups(scene, &filter),
        total,
        total_words: count(total),
        selected: BatchForm::new(
            scene,
            "selected",
            vec![("scope", "letters".into())],
            &[Verb::Requeue, Verb::Purge],
        ),
        all: BatchForm::new(scene, "all", fields(&filter), &[Verb::Requeue, Verb::Purge]),
        filter: Filter::from(filter),
        words: words.map(|words| said(&words, 500)),
        clear: scene.link("/dead"),
        rows: letters.found.iter().map(|letter| Row::new(scene, letter)).collect(),
        scanned: letters.scanned,
        first: (from > 0).then(|| scene.with("from", None)),
        next: letters.next.map(|seq| scene.with("from", Some(&seq.to_string()))),
        panel: Panel::recent(scene),
    };
    Ok(Content { title: "Dead letters".into(), tab: Tab::Dead, body: page.render()? })
}

fn filter(scene: &Scene<'_>) -> Result<DeadFilter, PageError> {
    let Choice { queue, task, kind } = Choice::of(scene)?;
    Ok(DeadFilter {
        queue,
        task,
        error_kind: kind,
        id: named::<JobId>(scene, "id")?,
        pattern: scene.query.get("pattern").cloned(),
    })
}

/// Another queue begins with its first page.
fn without_page(scene: &Scene<'_>, chip: Chip) -> Chip {
    let from = scene.get("from").map(|from| format!("from={}", encode(from)));
    let Some(from) = from else { return chip };
    let (path, query) = chip.link.split_once('?').unwrap_or((&chip.link, ""));
    let rest: Vec<_> = query.split('&').filter(|pair| *pair != from).collect();
    let mark = if rest.is_empty() { "" } else { "?" };
    Chip { link: format!("{path}{mark}{}", rest.join("&")), ..chip }
}

/// The letters that fit, from this sequence on; no more are read than a page can cost.
async fn read(
    scene: &Scene<'_>,
    filter: &DeadFilter,
    from: u64,
) -> Result<Letters, TransportError> {
    let mut letters = Letters { next: Some(from), ..Letters::default() };
    for _ in 0..READS {
        let Some(next) = letters.next else { break };
        let transport = scene.app.client.transport();
        let page = transport.dead_letters(filter.queue.as_ref(), next, READ).await?;
        letters.next = page.next;
        for letter in page.letters {
            if letters.found.len() == SHOWN {
                letters.next = Some(letter.seq);
                return Ok(letters);
            }
            letters.scanned += 1;
            if filter.fits(&letter) {
                letters.found.push(letter);
            }
        }
    }
    Ok(letters)
}

/// The groups that killed jobs in the last day, those of the filter's queue and task.
fn groups(scene: &Scene<'_>, filter: &DeadFilter) -> Vec<Chip> {
    let day = std::time::Duration::from_secs(24 * 60 * 60);
    let groups = scene.snapshot.history().groups(day, 1, scene.now());
    let mut deadly: Vec<_> =
        groups.into_iter().map(|it| it.group).filter(|it| it.dead > 0).collect();
    deadly.sort_by_key(|group| std::cmp::Reverse(group.dead));
    let chip = |group: naq_core::stats::ErrorGroup| Chip {
        words: format!(
            "{} {} {} {}",
            clip(group.kind.as_str(), 60),
            group.task,
            said(&group.pattern, 40),
            count(group.dead)
        ),
        link: group_link(scene, group.task.as_str(), group.kind.as_str(), &group.pattern),
        here: filter.pattern.as_ref() == Some(&group.pattern)
            && filter.task.as_ref() == Some(&group.task)
            && filter.error_kind.as_ref() == Some(&group.kind),
    };
    deadly.into_iter().take(GROUPS).map(chip).collect()
}

fn group_link(scene: &Scene<'_>, task: &str, kind: &str, pattern: &str) -> String {
    let (task, kind, pattern) = (encode(task), encode(kind), encode(pattern));
    scene.link(&format!("/dead?task={task}&kind={kind}&pattern={pattern}"))
}

/// The filter as the fields of a form.
fn fields(filter: &DeadFilter) -> Vec<(&'static str, String)> {
    let mut fields = vec![("scope", "dead".to_owned())];
    let DeadFilter { queue, error_kind, task, id, pattern } = filter;
    fields.extend(queue.as_ref().map(|queue| ("queue", queue.to_string())));
    fields.extend(task.as_ref().map(|task| ("task", task.to_string())));
    fields.extend(error_kind.as_ref().map(|kind| ("kind", kind.to_string())));
    fields.extend(pattern.as_ref().map(|pattern| ("pattern", pattern.clone())));
    fields.extend(id.as_ref().map(|id| ("id", id.to_string())));
    fields
}

impl From<DeadFilter> for Filter {
    fn from(filter: DeadFilter) -> Self {
        fn text<T: std::fmt::Display>(value: Option<T>) -> String {
            value.map_or_else(String::new, |value| value.to_string())
        }
        let DeadFilter { queue, error_kind, task, id, pattern } = filter;
        Self { queue: text(queue), task: text(task), kind: text(error_kind), pattern, id: text(id) }
    }
}

impl Row {
    fn new(scene: &Scene<'_>, letter: &Stored) -> Self {
        let of = DeadSummary::from(letter);
        let task = of.task.as_ref();
        let (queue, id) = (encode(of.queue.as_str()), encode(of.id.as_str()));
        Self {
            item: format!("{}@{}", letter.key, of.seq),
            link: scene.link(&format!("/jobs/{queue}/{id}")),
            group: task.map(|task| {
                group_link(scene, task.as_str(), of.error_kind.as_str(), &pattern(&of.message))
            }),
            id: of.id.to_string(),
            queue: of.queue.to_string(),
            task: task.map_or_else(|| "unknown".to_owned(), ToString::to_string),
            kind: clip(of.error_kind.as_str(), 80),
            message: message(&of.message),
            attempts: of.attempt,
            rule: of.rule,
            reason: said(&of.reason, 500),
            died: Moment::new(of.died_at, scene.now()),
        }
    }
}
