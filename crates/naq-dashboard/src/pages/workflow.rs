//! One workflow: its jobs, what each waits for, and how far it has come.

use askama::Template;
use naq_client::{WorkflowError, WorkflowNode};
use naq_core::flow::RunWhen;
use naq_core::{JobId, JobState};

use super::{Content, PageError, Tab, job};
use crate::chart::dag::{self, Node};
use crate::scene::Scene;
use crate::view::{Moment, clean, clip, said};

#[derive(Template)]
#[template(path = "workflow.html")]
struct Page<'a> {
    prefix: &'a str,
    may_act: bool,
    id: &'a str,
    now: Option<Now>,
}

struct Now {
    name: String,
    started: Option<Moment>,
    cancelled: bool,
    ended: usize,
    completed: usize,
    all: usize,
    dag: Option<String>,
    rows: Vec<Row>,
}

struct Row {
    depth: usize,
    name: String,
    link: String,
    task: String,
    state: Option<JobState>,
    attempt: String,
    after: String,
    when: &'static str,
    due: Option<Moment>,
    finished: Option<Moment>,
    reason: String,
}

pub(super) async fn render(scene: &Scene<'_>, id: &str) -> Result<Content, PageError> {
    let id = JobId::new(id).map_err(|err| PageError::no_such(err.to_string()))?;
    let now = if scene.live { None } else { Some(now(scene, &id).await?) };
    let page = Page {
        prefix: &scene.app.options.prefix,
        may_act: scene.access.may_act,
        id: id.as_str(),
        now,
    };
    let title = format!("Workflow {}", clip(id.as_str(), 80));
    Ok(Content { title, tab: Tab::Workflows, body: page.render()? })
}

async fn now(scene: &Scene<'_>, id: &JobId) -> Result<Now, PageError> {
    let report = scene.app.client.workflow(id).await.map_err(|err| match &err {
        WorkflowError::Unknown(_) => PageError::no_such(err.to_string()),
        _ => PageError::broker(err.to_string()),
    })?;
    let now = scene.now();
    let (ended, completed) = report.ended();
    let nodes: Vec<Node> = report
        .jobs
        .iter()
        .map(|node| Node {
            name: clean(&node.name),
            depth: node.depth,
            after: node.after.iter().map(|name| clean(name)).collect(),
            state: node.state,
            link: job::link(scene, &node.key),
        })
        .collect();
    let row = |node: &WorkflowNode| Row {
        depth: node.depth,
        name: clean(&node.name),
        link: job::link(scene, &node.key),
        task: node.task.as_ref().map(ToString::to_string).unwrap_or_default(),
        state: node.state,
        attempt: match (node.attempt, node.max_attempts) {
            (Some(attempt), Some(max)) => format!("{attempt} of {max}"),
            _ => String::new(),
        },
        after: clip(&node.after.join(", "), 200),
        when: match node.when {
            RunWhen::AnyCompleted => "if any completes",
            RunWhen::AnyFailed => "if any fails",
            RunWhen::AllEnded => "however they end",
            _ => "",
        },
        due: node.due_at.map(|at| Moment::new(at, now)),
        finished: node.finished_at.map(|at| Moment::new(at, now)),
        reason: said(node.reason.as_deref().unwrap_or_default(), 300),
    };
    Ok(Now {
        name: clean(report.name.as_deref().unwrap_or_default()),
        started: report.enqueued_at.map(|at| Moment::new(at, now)),
        cancelled: report.cancelled,
        ended,
        completed,
        all: report.jobs.len(),
        dag: dag::draw(&nodes),
        rows: report.jobs.iter().map(row).collect(),
    })
}
