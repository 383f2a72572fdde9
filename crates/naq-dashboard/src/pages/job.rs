//! One job: its state, its attempts with the reason of each decision, and the planned attempts.

use askama::Template;
use naq_client::{CheckpointInfo, JobReport, JobView, Progress};
use naq_core::redact::{REDACTED, Redactor};
use naq_core::transport::JobKey;
use naq_core::{JobId, JobState, NameError, QueueName, Timestamp};

use super::hold_row::HoldRow;
use super::{NavTab, PageContent, PageError, simulator};
use crate::chart::waterfall::{self, JobTimeline, RowKind, TimeScale, TimelineRow, layout};
use crate::links::{encode, job_path, worker_path};
use crate::page_request::PageRequest;
use crate::view::{PayloadView, RelativeTime, clean, clip, span};

/// The most parents of a blocked job that the page names.
const MAX_PARENTS: usize = 20;

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage<'a> {
    prefix: &'a str,
    key: &'a JobKey,
    may_act: bool,
    /// The live region; none if the job is not in the cache and may not be looked up yet.
    live: Option<JobLivePart>,
    /// Why the job cannot be shown.
    problem: Option<String>,
    /// The parts that are shown only when the page is loaded.
    details: Option<JobPageDetails>,
}

/// The live region of the page.
struct JobLivePart {
    state: JobState,
    /// The worker that runs it, and the link to it.
    worker: Option<(String, String)>,
    started: Option<RelativeTime>,
    task: Option<String>,
    task_link: String,
    tags: Vec<(String, String)>,
    attempt: String,
    crashes: u32,
    snoozes: u32,
    policy: String,
    policy_text: String,
    simulator: String,
    enqueued: Option<RelativeTime>,
    due: Option<RelativeTime>,
    finished: Option<RelativeTime>,
    deadline: Option<RelativeTime>,
    timeout: Option<String>,
    /// The id of the key with which its payloads are stored.
    encrypted_with: Option<String>,
    /// Who signed it, and what is wrong with the signature.
    signer: Option<(String, Option<String>)>,
    workflow: Option<(String, String)>,
    parents: Vec<(String, String)>,
    more_parents: usize,
    progress: Option<(Progress, String, Option<u64>)>,
    checkpoint: Option<(CheckpointInfo, RelativeTime)>,
    dead: Option<DeadReason>,
    /// What holds it: none or one.
    holds: Vec<HoldRow>,
    may_retry: bool,
    may_cancel: bool,
    may_requeue: bool,
    lines: Vec<TimelineLine>,
    axis: String,
    is_linear: bool,
}

struct DeadReason {
    kind: String,
    message: String,
    rule: &'static str,
    reason: String,
}

/// A row of the waterfall, with its drawing.
struct TimelineLine {
    row: TimelineRow,
    svg: String,
    started: Option<RelativeTime>,
    mark: Option<RelativeTime>,
    message: Option<String>,
    first_line: String,
    worker: String,
}

struct JobPageDetails {
    args: Option<PayloadView>,
    result: Option<PayloadView>,
    /// Whether the job has not ended, so that it may still get a result.
    may_get_result: bool,
    /// The link that shows hidden arguments and results.
    are_hidden: bool,
    body: Option<PayloadView>,
    headers: Vec<(String, String)>,
    json: PayloadView,
    command: String,
}

pub(super) async fn render(
    request: &PageRequest<'_>,
    queue: &str,
    id: &str,
) -> Result<PageContent, PageError> {
    let not_found = |err: NameError| PageError::not_found(err.to_string());
    let queue = QueueName::new(queue).map_err(not_found)?;
    let key = JobKey::new(queue, JobId::new(id).map_err(not_found)?);
    let client = &request.app.client;
    let job_cache = &request.app.job_cache;
    let mut page = JobPage {
        prefix: &request.app.options.prefix,
        key: &key,
        may_act: request.access.may_operate(&key.queue),
        live: None,
        problem: None,
        details: None,
    };
    if request.live {
        match job_cache.cached(client, &key).await.as_deref() {
            Some(Ok(report)) => page.live = Some(live_part(request, report)),
            Some(Err(err)) => page.problem = Some(clean(&err.to_string())),
            None => {}
        }
    } else {
        let report = job_cache.fresh(client, &key).await?;
        page.live = Some(live_part(request, &report));
        page.details = Some(details(request, &report));
    }
    let title = format!("Job {}", clip(id, 80));
    Ok(PageContent { title, tab: NavTab::Jobs, body: page.render()? })
}

fn live_part(request: &PageRequest<'_>, report: &JobReport) -> JobLivePart {
    let now = request.now();
    let moment = |at: Timestamp| RelativeTime::new(at, now);
    let job = report.envelope.as_ref();
    let run = match report.state {
        JobState::Running => request.snapshot.runs.of_job(&report.key),
        _ => None,
    };
    let (lines, axis, is_linear) = match JobTimeline::of(report, run, now) {
        Some(timeline) => lines(&timeline, now),
        None => (Vec::new(), String::new(), true),
    };
    let task = job.map(|job| job.task.clone()).or_else(|| report.dead.as_ref()?.task.clone());
    let task = task.map(|task| task.to_string());
    let to_jobs = |name: &str, value: &str| {
        request.link(&format!("/jobs?{name}={}&state={}", encode(value), report.state))
    };
    let policy_text = job.map(|job| job.policy.to_string()).unwrap_or_default();
    let parents = report.waits_for.iter().take(MAX_PARENTS);
    JobLivePart {
        state: report.state,
        worker: run
            .map(|run| (clip(run.worker.as_str(), 80), request.link(&worker_path(&run.worker)))),
        started: run.and_then(|run| run.started_at).map(moment),
        task_link: task.as_deref().map(|task| to_jobs("task", task)).unwrap_or_default(),
        simulator: simulator::link(request, &policy_text, task.as_deref().unwrap_or_default()),
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
        // The due time of a blocked job is only its next check of its parents.
        due: report.due_at.filter(|_| report.state != JobState::Blocked).map(moment),
        finished: report.finished_at.map(moment),
        deadline: job.and_then(|job| job.deadline).map(moment),
        timeout: job.and_then(|job| job.timeout).map(span),
        encrypted_with: report.encrypted_with.clone(),
        signer: report.signer.as_ref().map(|signer| {
            let name = signer.name.as_deref().unwrap_or(&signer.key);
            (clip(name, 64), signer.fault.as_deref().map(clean))
        }),
        workflow: job.and_then(|job| job.workflow.as_ref()).map(|id| {
            (id.to_string(), request.link(&format!("/workflows/{}", encode(id.as_str()))))
        }),
        parents: parents.map(|key| (key.to_string(), link(request, key))).collect(),
        more_parents: report.waits_for.len().saturating_sub(MAX_PARENTS),
        progress: report
            .progress
            .clone()
            .map(|progress| (progress.clone(), clean(&progress.message), progress.percent())),
        checkpoint: report.checkpoint.clone().map(|info| (info.clone(), moment(info.at))),
        dead: report.dead.as_ref().map(|letter| DeadReason {
            kind: letter.error_kind.to_string(),
            message: clean(&letter.message),
            rule: letter.rule.as_str(),
            reason: clean(&letter.reason),
        }),
        holds: request
            .snapshot
            .hold_of(report, now)
            .iter()
            .map(|hold| HoldRow::new(hold, request, now))
            .collect(),
        may_retry: matches!(report.state, JobState::Scheduled | JobState::Retrying),
        may_cancel: !report.state.is_final(),
        may_requeue: report.state == JobState::Dead,
        lines,
        axis,
        is_linear,
    }
}

/// The link to a job's page.
pub(super) fn link(request: &PageRequest<'_>, key: &JobKey) -> String {
    request.link(&job_path(key))
}

fn lines(timeline: &JobTimeline<'_>, now: Timestamp) -> (Vec<TimelineLine>, String, bool) {
    let rows = layout(timeline);
    let shown_now = Some(now).filter(|_| !timeline.state.is_final());
    let scale = TimeScale::of(&rows, shown_now);
    let lines = rows.into_iter().map(|row| {
        let shown = matches!(row.kind, RowKind::Planned | RowKind::FinalOutcome | RowKind::Waiting);
        let message = row.error.as_ref().map(|(_, message)| message.clone());
        TimelineLine {
            svg: waterfall::draw_row(&row, &scale, shown_now),
            started: row.started_at.map(|at| RelativeTime::new(at, now)),
            mark: row.mark.filter(|_| shown).map(|at| RelativeTime::new(at, now)),
            first_line: message.as_deref().map(first_line).unwrap_or_default(),
            message: message.filter(|message| !message.is_empty()),
            worker: row.worker.as_ref().map(ToString::to_string).unwrap_or_default(),
            row,
        }
    });
    (lines.collect(), waterfall::axis(&scale), scale.is_linear())
}

/// The first line of a message, cut to fit beside its error kind.
fn first_line(message: &str) -> String {
    clip(message.lines().next().unwrap_or_default(), 120)
}

fn details(request: &PageRequest<'_>, report: &JobReport) -> JobPageDetails {
    let hide = request.app.options.hide_args;
    let message = &report.stored.message;
    let job = report.envelope.as_ref().filter(|_| !hide);
    let body = report.stored.envelope().err().filter(|_| report.envelope.is_none() && !hide);
    let redactor = Redactor::default();
    let mut view = JobView::from(report).redacted(&redactor);
    if hide {
        (view.args, view.result, view.body, view.body_hex) = (None, None, None, None);
    }
    let json = serde_json::to_value(&view).unwrap_or_default();
    JobPageDetails {
        args: job.map(|job| PayloadView::of(report.args.as_ref().unwrap_or(&job.args), &redactor)),
        result: report.result.as_ref().filter(|_| !hide).map(|it| PayloadView::of(it, &redactor)),
        may_get_result: !report.state.is_final(),
        are_hidden: hide,
        body: body.map(|err| PayloadView::unreadable(&message.body, &err.to_string(), &redactor)),
        headers: message
            .headers()
            .map(|(name, value)| match redactor.hides(name) {
                true => (clip(name, 100), REDACTED.to_owned()),
                false => (clip(name, 100), clip(&redactor.redact_text(value), 1_000)),
            })
            .collect(),
        json: PayloadView::json(json),
        command: format!("naq job show {} --queue {}", report.key.id, report.key.queue),
    }
}
