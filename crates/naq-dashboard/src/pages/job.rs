//! One job: where it stands, what happened to it and why, and what is to come.

use askama::Template;
use naq_client::{CheckpointInfo, JobReport, JobView, Progress};
use naq_core::redact::{REDACTED, Redactor};
use naq_core::transport::JobKey;
use naq_core::{JobId, JobState, QueueName, Timestamp};

use super::{Content, PageError, Tab, simulator};
use crate::chart::waterfall::{self, Kind, Row, Scale, Story, layout};
use crate::scene::{Scene, encode};
use crate::view::{Moment, Shown, clean, clip, span};

/// Jobs that a blocked one waits for, of which the page names so many.
const NAMED: usize = 20;

#[derive(Template)]
#[template(path = "job.html")]
struct Page<'a> {
    prefix: &'a str,
    key: &'a JobKey,
    may_act: bool,
    /// What changes by itself; none while it is nobody's turn to look.
    now: Option<Now>,
    /// Why there is nothing to show now.
    gone: Option<String>,
    /// What is there when the page is loaded.
    rest: Option<Rest>,
}

/// The part that changes by itself.
struct Now {
    state: JobState,
    task: Option<String>,
    task_link: String,
    tags: Vec<(String, String)>,
    attempt: String,
    crashes: u32,
    snoozes: u32,
    policy: String,
    policy_text: String,
    simulator: String,
    enqueued: Option<Moment>,
    due: Option<Moment>,
    finished: Option<Moment>,
    deadline: Option<Moment>,
    timeout: Option<String>,
    workflow: Option<(String, String)>,
    waits_for: Vec<(String, String)>,
    waits_for_more: usize,
    progress: Option<(Progress, String, Option<u64>)>,
    checkpoint: Option<(CheckpointInfo, Moment)>,
    dead: Option<Dead>,
    may_retry: bool,
    may_cancel: bool,
    may_requeue: bool,
    lines: Vec<Line>,
    axis: String,
    to_scale: bool,
}

struct Dead {
    kind: String,
    message: String,
    rule: &'static str,
    reason: String,
}

/// A row of the waterfall.
struct Line {
    row: Row,
    lane: String,
    started: Option<Moment>,
    mark: Option<Moment>,
    message: Option<String>,
    beginning: String,
    worker: String,
}

struct Rest {
    args: Option<Shown>,
    result: Option<Shown>,
    /// It has not ended, so that there may be a result later.
    runs_on: bool,
    /// The link that shows what is hidden.
    show: Option<String>,
    body: Option<Shown>,
    headers: Vec<(String, String)>,
    json: Shown,
    command: String,
}

pub(super) async fn render(scene: &Scene<'_>, queue: &str, id: &str) -> Result<Content, PageError> {
    let bad = |err: naq_core::NameError| PageError::no_such(err.to_string());
    let key =
        JobKey { queue: QueueName::new(queue).map_err(bad)?, id: JobId::new(id).map_err(bad)? };
    let (client, lookups) = (&scene.app.client, &scene.app.lookups);
    let mut page = Page {
        prefix: &scene.app.options.prefix,
        key: &key,
        may_act: scene.access.may_act,
        now: None,
        gone: None,
        rest: None,
    };
    if scene.live {
        match lookups.lately(client, &key).await.as_deref() {
            Some(Ok(report)) => page.now = Some(now(scene, report)),
            Some(Err(err)) => page.gone = Some(clean(&err.to_string())),
            None => {}
        }
    } else {
        let report = lookups.now(client, &key).await?;
        (page.now, page.rest) = (Some(now(scene, &report)), Some(rest(scene, &report)));
    }
    let title = format!("Job {}", clip(id, 80));
    Ok(Content { title, tab: Tab::Jobs, body: page.render()? })
}

fn now(scene: &Scene<'_>, report: &JobReport) -> Now {
    let now = scene.now();
    let moment = |at: Timestamp| Moment::new(at, now);
    let job = report.envelope.as_ref();
    let (lines, axis, to_scale) = match Story::of(report, now) {
        Some(story) => lines(&story, now),
        None => (Vec::new(), String::new(), true),
    };
    let task = job.map(|job| job.task.clone()).or_else(|| report.dead.as_ref()?.task.clone());
    let task = task.map(|task| task.to_string());
    let to_jobs = |name: &str, value: &str| {
        scene.link(&format!("/jobs?{name}={}&state={}", encode(value), report.state))
    };
    let policy_text = job.map(|job| job.policy.to_string()).unwrap_or_default();
    let waits_for = report.waits_for.iter().take(NAMED);
    Now {
        state: report.state,
        task_link: task.as_deref().map(|task| to_jobs("task", task)).unwrap_or_default(),
        simulator: simulator::link(scene, &policy_text, task.as_deref().unwrap_or_default()),
        task,
        tags: job
            .map(|job| job.tags.iter().map(|t| (clip(t, 60), to_jobs("tag", t))).collect())
            .unwrap_or_default(),
        attempt: job
            .map(|job| format!("{} of {}", job.attempt, job.max_attempts()))
            .unwrap_or_default(),
        crashes: job.map_or(0, |job| job.crashes),
        snoozes: job.map_or(0, |job| job.snoozes),
        policy: job.map(|job| job.policy.summary()).unwrap_or_default(),
        policy_text,
        enqueued: job.map(|job| moment(job.enqueued_at)),
        // When a blocked job looks by itself says nothing to anybody.
        due: report.due_at.filter(|_| report.state != JobState::Blocked).map(moment),
        finished: report.finished_at.map(moment),
        deadline: job.and_then(|job| job.deadline).map(moment),
        timeout: job.and_then(|job| job.timeout).map(span),
        workflow: job
            .and_then(|job| job.workflow.as_ref())
            .map(|id| (id.to_string(), scene.link(&format!("/workflows/{}", encode(id.as_str()))))),
        waits_for: waits_for.map(|key| (key.to_string(), link(scene, key))).collect(),
        waits_for_more: report.waits_for.len().saturating_sub(NAMED),
        progress: report
            .progress
            .clone()
            .map(|progress| (progress.clone(), clean(&progress.message), progress.percent())),
        checkpoint: report.checkpoint.clone().map(|kept| (kept.clone(), moment(kept.at))),
        dead: report.dead.as_ref().map(|letter| Dead {
            kind: letter.error_kind.to_string(),
            message: clean(&letter.message),
            rule: letter.rule.as_str(),
            reason: clean(&letter.reason),
        }),
        may_retry: matches!(report.state, JobState::Scheduled | JobState::Retrying),
        may_cancel: !report.state.is_final(),
        may_requeue: report.state == JobState::Dead,
        lines,
        axis,
        to_scale,
    }
}

/// The link to a job's page.
pub(super) fn link(scene: &Scene<'_>, key: &JobKey) -> String {
    scene.link(&format!("/jobs/{}/{}", encode(key.queue.as_str()), encode(key.id.as_str())))
}

fn lines(story: &Story<'_>, now: Timestamp) -> (Vec<Line>, String, bool) {
    let rows = layout(story);
    let open = Some(now).filter(|_| !story.state.is_final());
    let scale = Scale::of(&rows, open);
    let lines = rows.into_iter().map(|row| {
        let shown = matches!(row.kind, Kind::ToCome | Kind::TheEnd | Kind::Waits);
        let message = row.error.as_ref().map(|(_, message)| message.clone());
        Line {
            lane: waterfall::lane(&row, &scale, open),
            started: row.started_at.map(|at| Moment::new(at, now)),
            mark: row.mark.filter(|_| shown).map(|at| Moment::new(at, now)),
            beginning: message.as_deref().map(beginning).unwrap_or_default(),
            message: message.filter(|message| !message.is_empty()),
            worker: row.worker.as_ref().map(ToString::to_string).unwrap_or_default(),
            row,
        }
    });
    (lines.collect(), waterfall::axis(&scale), scale.is_linear())
}

/// The first line of a message, as far as it fits beside its kind.
fn beginning(message: &str) -> String {
    clip(message.lines().next().unwrap_or_default(), 120)
}

fn rest(scene: &Scene<'_>, report: &JobReport) -> Rest {
    let hide = scene.app.options.hide_args && scene.get("args").is_none();
    let message = &report.stored.message;
    let job = report.envelope.as_ref().filter(|_| !hide);
    let body = report.stored.envelope().err().filter(|_| report.envelope.is_none() && !hide);
    let redactor = Redactor::default();
    let mut view = JobView::from(report).redacted(&redactor);
    if hide {
        (view.args, view.result, view.body, view.body_hex) = (None, None, None, None);
    }
    let json = serde_json::to_value(&view).unwrap_or_default();
    Rest {
        args: job.map(|job| Shown::of(&job.args, &redactor)),
        result: report.result.as_ref().filter(|_| !hide).map(|it| Shown::of(it, &redactor)),
        runs_on: !report.state.is_final(),
        show: hide.then(|| scene.with("args", Some("1"))),
        body: body.map(|err| Shown::unreadable(&message.body, &err.to_string(), &redactor)),
        headers: message
            .headers()
            .map(|(name, value)| match redactor.hides(name) {
                true => (clip(name, 100), REDACTED.to_owned()),
                false => (clip(name, 100), clip(&redactor.redact_text(value), 1_000)),
            })
            .collect(),
        json: Shown::json(json),
        command: format!("naq job show {} --queue {}", report.key.id, report.key.queue),
    }
}
