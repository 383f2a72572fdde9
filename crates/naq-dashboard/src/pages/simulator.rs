//! Policy simulator: what a retry policy would do. The URL holds the whole form.

mod policy_form;
mod rust_code;

use std::time::Duration;

use askama::Template;
use naq_core::retry::{PreviewRow, preview};
use naq_core::stats::{Counts, Helped};
use naq_core::{RetryPolicy, TaskName};

use self::policy_form::PolicyForm;
use super::{NavTab, PageContent, PageError};
use crate::chart::curve;
use crate::links::query_string;
use crate::page_request::PageRequest;
use crate::view::{count, percent, span};

/// The most retries that the page shows; it counts the others.
const MAX_SHOWN: usize = 50;
/// The time that the statistics of a task cover.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Template)]
#[template(path = "simulator.html")]
struct SimulatorPage {
    action: String,
    form: PolicyForm,
    /// The tasks of the last day.
    tasks: Vec<String>,
    presets: Vec<(&'static str, String)>,
    simulation: Option<Simulation>,
}

/// What the policy would do.
struct Simulation {
    summary: String,
    text: String,
    json: String,
    rust: String,
    rows: Vec<SimulationRow>,
    more: Option<String>,
    curve: String,
    /// The time until the job is dead, if every attempt fails immediately.
    dead_after: String,
    history: Option<TaskHistory>,
}

struct SimulationRow {
    attempt: u32,
    delay: String,
    elapsed: String,
    chance: String,
}

/// What the statistics of a task predict for the policy.
struct TaskHistory {
    task: String,
    ended: String,
    words: String,
    chance: String,
    /// How many retries a minute the policy would make, at the rate of the last day.
    load: String,
}

pub(super) fn render(request: &PageRequest<'_>) -> Result<PageContent, PageError> {
    let mut form = PolicyForm::read(request);
    let policy = form.policy();
    let snapshot = &request.snapshot;
    let mut tasks: Vec<_> = snapshot.day.tasks().map(|(_, task, _)| task.to_string()).collect();
    tasks.sort_unstable();
    tasks.dedup();
    let counts = TaskName::new(&form.task).ok().map(|task| snapshot.day.task(&task));
    let counts = counts.filter(|counts| counts.ended() > 0);
    let presets = RetryPolicy::PRESETS.iter().filter_map(|name| {
        let text = RetryPolicy::preset(name)?.to_string();
        Some((*name, request.with_only([("policy", text.as_str()), ("task", form.task.as_str())])))
    });
    let presets = presets.collect();
    let simulation = policy.map(|policy| simulate(&policy, &form.task, counts.as_ref()));
    let page =
        SimulatorPage { action: request.link("/simulator"), form, tasks, presets, simulation };
    Ok(PageContent {
        title: "Policy simulator".into(),
        tab: NavTab::Simulator,
        body: page.render()?,
    })
}

fn simulate(policy: &RetryPolicy, task: &str, counts: Option<&Counts>) -> Simulation {
    let rows: Vec<PreviewRow> = preview(policy).take(MAX_SHOWN).collect();
    let helped = counts.map(Helped::of);
    let chance =
        |attempts| percent(helped.as_ref().and_then(|helped| helped.chance_within(attempts)));
    let first =
        SimulationRow { attempt: 1, delay: String::new(), elapsed: "0s".into(), chance: chance(1) };
    let lines = rows.iter().map(|row| SimulationRow {
        attempt: row.attempt,
        delay: duration_range(row.delay_min_ms, row.delay_max_ms),
        elapsed: duration_range(row.elapsed_min_ms, row.elapsed_max_ms),
        chance: chance(row.attempt),
    });
    let all = u64::from(policy.max_retries());
    let shown = rows.len() as u64;
    let more = (rows.len() == MAX_SHOWN && all > shown)
        .then(|| format!("and up to {} more retries", count(all - shown)));
    let dead_after = match (rows.last(), &more) {
        (None, _) => "immediately".into(),
        (Some(_), Some(_)) => "after the retries shown here".into(),
        (Some(last), None) => duration_range(last.elapsed_min_ms, last.elapsed_max_ms),
    };
    let last = rows.last().map_or(1, |row| row.attempt);
    let history = helped.as_ref().zip(counts).map(|(helped, counts)| TaskHistory {
        task: task.to_owned(),
        ended: count(helped.ended()),
        words: helped.to_string(),
        chance: percent(helped.chance_within(last)),
        load: load(helped, counts, last),
    });
    Simulation {
        summary: policy.summary(),
        text: policy.to_string(),
        json: serde_json::to_string_pretty(policy).unwrap_or_else(|err| err.to_string()),
        rust: rust_code::code(policy),
        curve: curve(&rows),
        rows: std::iter::once(first).chain(lines).collect(),
        more,
        dead_after,
        history,
    }
}

/// How many retries a minute this many attempts would make, if jobs fail as in the last day. A job
/// that has not succeeded by an attempt makes one more retry.
fn load(helped: &Helped, counts: &Counts, attempts: u32) -> String {
    let ended = helped.ended() as f64;
    let failed_by = |attempt| 1.0 - helped.chance_within(attempt).unwrap_or(1.0);
    let retries: f64 = (1..attempts).map(|attempt| failed_by(attempt) * ended).sum();
    let minutes = DAY.as_secs_f64() / 60.0;
    let expected = retries / minutes;
    let measured = counts.retry_starts() as f64 / minutes;
    format!("about {expected:.1} retries a minute; {measured:.1} a minute in the last day")
}

/// One duration, or a range of durations.
fn duration_range(min: u64, max: u64) -> String {
    let words = |ms| span(Duration::from_millis(ms));
    if min == max { words(min) } else { format!("{} to {}", words(min), words(max)) }
}

/// The link to the simulator with this policy and task.
pub(super) fn link(request: &PageRequest<'_>, policy: &str, task: &str) -> String {
    request.link(&format!("/simulator{}", query_string([("policy", policy), ("task", task)])))
}
