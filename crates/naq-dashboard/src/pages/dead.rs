//! Dead letters, page by page, with actions on one, on some, and on all that match a filter.

use askama::Template;
use naq_client::{DeadFilter, DeadSummary};
use naq_core::JobId;
use naq_core::stats::pattern;
use naq_core::transport::{Stored, TransportError};

use super::batch_form::{BatchForm, BatchVerb};
use super::batches::BatchPanel;
use super::failures::message;
use super::page_filter::{self, FilterChip, PageFilter, parsed};
use super::{NavTab, PageContent, PageError};
use crate::access::Touched;
use crate::links::{encode, job_path, query_string};
use crate::page_request::PageRequest;
use crate::user::Role;
use crate::view::{RelativeTime, clip, count, redacted};

/// Letters on a page.
const PAGE: usize = 50;
/// Letters in one request to the broker.
const LETTERS_PER_REQUEST: usize = 200;
/// The most requests to the broker for one page.
const MAX_REQUESTS: usize = 5;
/// The most error groups that the page offers as filters.
const MAX_GROUPS: usize = 12;

#[derive(Template)]
#[template(path = "dead.html")]
struct DeadLettersPage<'a> {
    prefix: &'a str,
    back: String,
    may_act: bool,
    /// Whether the visitor may act on all letters that match.
    may_act_on_all: bool,
    live: bool,
    queues: Vec<FilterChip>,
    groups: Vec<FilterChip>,
    total: u64,
    total_words: String,
    filter: DeadLetterFilter,
    /// The filter in words; none without a filter.
    words: Option<String>,
    clear: String,
    rows: Vec<DeadLetterRow>,
    scanned: usize,
    skipped: usize,
    first: Option<String>,
    next: Option<String>,
    selected: BatchForm,
    all: BatchForm,
    panel: BatchPanel,
}

/// The fields of the filter form.
struct DeadLetterFilter {
    queue: String,
    task: String,
    kind: String,
    pattern: Option<String>,
    id: String,
}

struct DeadLetterRow {
    may_act: bool,
    may_purge: bool,
    item: String,
    id: String,
    queue: String,
    link: String,
    task: String,
    kind: String,
    message: String,
    /// The link to the dead letters of its error group.
    group: Option<String>,
    attempts: u32,
    rule: String,
    reason: String,
    died: RelativeTime,
}

/// The letters of one page.
#[derive(Default)]
struct LetterPage {
    found: Vec<Stored>,
    scanned: usize,
    skipped: usize,
    next: Option<u64>,
}

pub(super) async fn render(request: &PageRequest<'_>) -> Result<PageContent, PageError> {
    let filter = filter(request)?;
    let from = parsed::<u64>(request, "from")?.unwrap_or(0);
    let letters = match request.live {
        true => LetterPage::default(),
        false => read(request, &filter, from).await?,
    };
    let words = (filter != DeadFilter::default())
        .then(|| naq_client::BatchScope::Dead(filter.clone()).words(None));
    let queues = &request.snapshot.queues;
    let total: u64 = queues.iter().map(|queue| queue.dead).sum();
    let by_queue = queues.iter().filter(|q| q.dead > 0).map(|q| (q.name.as_str(), q.dead));
    let page = DeadLettersPage {
        prefix: &request.app.options.prefix,
        back: request.with("", None),
        may_act: request.access.may_act(),
        may_act_on_all: request.access.may(Role::Operate, &filter.queue.iter().collect()),
        live: request.live,
        queues: page_filter::chips(request, "queue", "All queues", by_queue)
            .into_iter()
            .map(|chip| without_page(request, chip))
            .collect(),
        groups: groups(request, &filter),
        total,
        total_words: count(total),
        selected: BatchForm::new(
            request,
            "selected",
            vec![("scope", "letters".into())],
            &[BatchVerb::Requeue, BatchVerb::Purge],
        ),
        all: BatchForm::new(
            request,
            "all",
            fields(&filter),
            &[BatchVerb::Requeue, BatchVerb::Purge],
        ),
        filter: DeadLetterFilter::from(filter),
        words: words.map(|words| redacted(&words, 500)),
        clear: request.link("/dead"),
        rows: letters.found.iter().map(|letter| DeadLetterRow::new(request, letter)).collect(),
        scanned: letters.scanned,
        skipped: letters.skipped,
        first: (from > 0).then(|| request.with("from", None)),
        next: letters.next.map(|seq| request.with("from", Some(&seq.to_string()))),
        panel: BatchPanel::recent(request),
    };
    Ok(PageContent { title: "Dead letters".into(), tab: NavTab::Dead, body: page.render()? })
}

fn filter(request: &PageRequest<'_>) -> Result<DeadFilter, PageError> {
    let PageFilter { queue, task, kind } = PageFilter::of(request)?;
    Ok(DeadFilter {
        queue,
        task,
        error_kind: kind,
        id: parsed::<JobId>(request, "id")?,
        pattern: request.query.get("pattern").cloned(),
    })
}

/// The link of a queue leads to the first page of its letters.
fn without_page(request: &PageRequest<'_>, chip: FilterChip) -> FilterChip {
    let from = request.get("from").map(|from| format!("from={}", encode(from)));
    let Some(from) = from else { return chip };
    let (path, query) = chip.link.split_once('?').unwrap_or((&chip.link, ""));
    let rest: Vec<_> = query.split('&').filter(|pair| *pair != from).collect();
    let mark = if rest.is_empty() { "" } else { "?" };
    FilterChip { link: format!("{path}{mark}{}", rest.join("&")), ..chip }
}

/// The letters that match the filter, from this sequence on. At most [`MAX_REQUESTS`] requests: a page
/// may have fewer letters than match.
async fn read(
    request: &PageRequest<'_>,
    filter: &DeadFilter,
    from: u64,
) -> Result<LetterPage, TransportError> {
    let mut letters = LetterPage { next: Some(from), ..LetterPage::default() };
    for _ in 0..MAX_REQUESTS {
        let Some(next) = letters.next else { break };
        let transport = request.app.client.transport();
        let page = transport.dead_letters(filter.queue.as_ref(), next, LETTERS_PER_REQUEST).await?;
        letters.next = page.next;
        letters.skipped += page.skipped;
        for letter in page.letters {
            if letters.found.len() == PAGE {
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

/// The error groups with dead jobs in the last day, most dead jobs first.
fn groups(request: &PageRequest<'_>, filter: &DeadFilter) -> Vec<FilterChip> {
    let day = std::time::Duration::from_secs(24 * 60 * 60);
    let groups = request.snapshot.history().groups(day, 1, request.now());
    let mut with_dead: Vec<_> =
        groups.into_iter().map(|it| it.group).filter(|it| it.dead > 0).collect();
    with_dead.sort_by_key(|group| std::cmp::Reverse(group.dead));
    let chip = |group: naq_core::stats::ErrorGroup| FilterChip {
        words: format!(
            "{} {} {} {}",
            clip(group.kind.as_str(), 60),
            group.task,
            redacted(&group.pattern, 40),
            count(group.dead)
        ),
        link: group_link(request, group.task.as_str(), group.kind.as_str(), &group.pattern),
        here: filter.pattern.as_ref() == Some(&group.pattern)
            && filter.task.as_ref() == Some(&group.task)
            && filter.error_kind.as_ref() == Some(&group.kind),
    };
    with_dead.into_iter().take(MAX_GROUPS).map(chip).collect()
}

fn group_link(request: &PageRequest<'_>, task: &str, kind: &str, pattern: &str) -> String {
    let query = query_string([("task", task), ("kind", kind), ("pattern", pattern)]);
    request.link(&format!("/dead{query}"))
}

/// The filter as hidden fields of a form.
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

impl From<DeadFilter> for DeadLetterFilter {
    fn from(filter: DeadFilter) -> Self {
        fn text<T: std::fmt::Display>(value: Option<T>) -> String {
            value.map_or_else(String::new, |value| value.to_string())
        }
        let DeadFilter { queue, error_kind, task, id, pattern } = filter;
        Self { queue: text(queue), task: text(task), kind: text(error_kind), pattern, id: text(id) }
    }
}

impl DeadLetterRow {
    fn new(request: &PageRequest<'_>, letter: &Stored) -> Self {
        let summary = DeadSummary::from(letter);
        let task = summary.task.as_ref();
        Self {
            may_act: request.access.may_operate(&letter.key.queue),
            may_purge: request.access.may(Role::Admin, &Touched::from(&letter.key.queue)),
            item: format!("{}@{}", letter.key, summary.seq),
            link: request.link(&job_path(&letter.key)),
            group: task.map(|task| {
                group_link(
                    request,
                    task.as_str(),
                    summary.error_kind.as_str(),
                    &pattern(&summary.message),
                )
            }),
            id: summary.id.to_string(),
            queue: summary.queue.to_string(),
            task: task.map_or_else(|| "unknown".to_owned(), ToString::to_string),
            kind: clip(summary.error_kind.as_str(), 80),
            message: message(&summary.message),
            attempts: summary.attempt,
            rule: summary.rule,
            reason: redacted(&summary.reason, 500),
            died: RelativeTime::new(summary.died_at, request.now()),
        }
    }
}
