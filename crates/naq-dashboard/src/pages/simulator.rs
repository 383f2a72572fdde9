//! Policy simulator: what a retry policy does, before it does it. All of it is in the URL.

mod form;
mod rust;

use std::time::Duration;

use askama::Template;
use naq_core::retry::{PreviewRow, preview};
use naq_core::stats::{Counts, Helped};
use naq_core::{RetryPolicy, TaskName};

use self::form::Form;
use super::{Content, PageError, Tab};
use crate::chart::curve;
use crate::scene::{Scene, encode};
use crate::view::{count, percent, span};

/// Retries that are shown; of more it is said how many.
const SHOWN: usize = 50;
/// The history that a chance of success comes from.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Template)]
#[template(path = "simulator.html")]
struct Page {
    action: String,
    form: Form,
    /// Queues and tasks that were seen in the last day.
    tasks: Vec<String>,
    presets: Vec<(&'static str, String)>,
    outcome: Option<Outcome>,
}

/// What the policy does.
struct Outcome {
    summary: String,
    text: String,
    json: String,
    rust: String,
    rows: Vec<Line>,
    more: Option<String>,
    curve: String,
    /// Until the job is dead, if every attempt fails at once.
    dead: String,
    history: Option<History>,
}

struct Line {
    attempt: u32,
    delay: String,
    elapsed: String,
    chance: String,
}

/// What the task's history says of the policy.
struct History {
    task: String,
    ended: String,
    words: String,
    chance: String,
    /// How many retries it would make a minute, at the rate of the last day.
    load: String,
}

pub(super) fn render(scene: &Scene<'_>) -> Result<Content, PageError> {
    let mut form = Form::read(scene);
    let policy = form.policy();
    let snapshot = &scene.snapshot;
    let mut tasks: Vec<_> = snapshot.day.tasks().map(|(_, task, _)| task.to_string()).collect();
    tasks.sort_unstable();
    tasks.dedup();
    let counts = TaskName::new(&form.task).ok().map(|task| snapshot.day.task(&task));
    let counts = counts.filter(|counts| counts.ended() > 0);
    let presets = RetryPolicy::PRESETS.iter().filter_map(|name| {
        let text = RetryPolicy::preset(name)?.to_string();
        Some((*name, scene.with_only(&[("policy", &text), ("task", &form.task)])))
    });
    let presets = presets.collect();
    let outcome = policy.map(|policy| outcome(&policy, &form.task, counts.as_ref()));
    let page = Page { action: scene.link("/simulator"), form, tasks, presets, outcome };
    Ok(Content { title: "Policy simulator".into(), tab: Tab::Simulator, body: page.render()? })
}

fn outcome(policy: &RetryPolicy, task: &str, counts: Option<&Counts>) -> Outcome {
    let rows: Vec<PreviewRow> = preview(policy).take(SHOWN).collect();
    let helped = counts.map(Helped::of);
    let chance =
        |attempts| percent(helped.as_ref().and_then(|helped| helped.chance_within(attempts)));
    let first =
        Line { attempt: 1, delay: String::new(), elapsed: "0 ms".into(), chance: chance(1) };
    let lines = rows.iter().map(|row| Line {
        attempt: row.attempt,
        delay: band(row.delay_min_ms, row.delay_max_ms),
        elapsed: band(row.elapsed_min_ms, row.elapsed_max_ms),
        chance: chance(row.attempt),
    });
    let all = u64::from(policy.max_retries());
    let shown = rows.len() as u64;
    let more = (rows.len() == SHOWN && all > shown)
        .then(|| format!("and up to {} more retries", count(all - shown)));
    let dead = match (rows.last(), &more) {
        (None, _) => "at once".into(),
        (Some(_), Some(_)) => "later than is shown".into(),
        (Some(last), None) => band(last.elapsed_min_ms, last.elapsed_max_ms),
    };
    let last = rows.last().map_or(1, |row| row.attempt);
    let history = helped.as_ref().zip(counts).map(|(helped, counts)| History {
        task: task.to_owned(),
        ended: count(helped.ended()),
        words: helped.to_string(),
        chance: percent(helped.chance_within(last)),
        load: load(helped, counts, last),
    });
    Outcome {
        summary: policy.summary(),
        text: policy.to_string(),
        json: serde_json::to_string_pretty(policy).unwrap_or_else(|err| err.to_string()),
        rust: rust::code(policy),
        curve: curve(&rows),
        rows: std::iter::once(first).chain(lines).collect(),
        more,
        dead,
        history,
    }
}

/// How many retries these attempts would make a minute, if jobs went on to fail as in the last day:
/// each job that has not succeeded by an attempt makes one retry more.
fn load(helped: &Helped, counts: &Counts, attempts: u32) -> String {
    let ended = helped.ended() as f64;
    let failed_by = |attempt| 1.0 - helped.chance_within(attempt).unwrap_or(1.0);
    let retries: f64 = (1..attempts).map(|attempt| failed_by(attempt) * ended).sum();
    let minutes = DAY.as_secs_f64() / 60.0;
    let (would, were) = (retries / minutes, counts.retry_starts() as f64 / minutes);
    format!("about {would:.1} retries a minute, where {were:.1} a minute were made in the last day")
}

/// One length, or from one to another.
fn band(min: u64, max: u64) -> String {
    let words = |ms| span(Duration::from_millis(ms));
    if min == max { words(min) } else { format!("{} to {}", words(min), words(max)) }
}

/// The link that tries a policy out.
pub(super) fn link(scene: &Scene<'_>, policy: &str, task: &str) -> String {
    scene.link(&format!("/simulator?policy={}&task={}", encode(policy), encode(task)))
}
