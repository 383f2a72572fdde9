//! One workflow: its jobs, the parents of each job, and how many jobs have ended.

use askama::Template;
use naq_client::{WorkflowError, WorkflowNode};
use naq_core::flow::RunWhen;
use naq_core::{JobId, JobState};

use super::{NavTab, PageContent, PageError, job};
use crate::chart::dag::{self, DagNode};
use crate::page_request::PageRequest;
use crate::user::Role;
use crate::view::{RelativeTime, clean, clip, redacted};

#[derive(Template)]
#[template(path = "workflow.html")]
struct WorkflowPage<'a> {
    prefix: &'a str,
    may_act: bool,
    id: &'a str,
    workflow: Option<WorkflowView>,
}

struct WorkflowView {
    name: String,
    started: Option<RelativeTime>,
    cancelled: bool,
    ended: usize,
    completed: usize,
    /// Whether the visitor may cancel it: it may have jobs in several queues.
    may_act: bool,
    all: usize,
    dag: Option<String>,
    rows: Vec<NodeRow>,
}

struct NodeRow {
    depth: usize,
    name: String,
    link: String,
    task: String,
    state: Option<JobState>,
    attempt: String,
    after: String,
    when: &'static str,
    due: Option<RelativeTime>,
    finished: Option<RelativeTime>,
    reason: String,
}

pub(super) async fn render(request: &PageRequest<'_>, id: &str) -> Result<PageContent, PageError> {
    let id = JobId::new(id).map_err(|err| PageError::not_found(err.to_string()))?;
    let workflow = if request.live { None } else { Some(view(request, &id).await?) };
    let page = WorkflowPage {
        prefix: &request.app.options.prefix,
        may_act: workflow.as_ref().is_some_and(|flow| flow.may_act),
        id: id.as_str(),
        workflow,
    };
    let title = format!("Workflow {}", clip(id.as_str(), 80));
    Ok(PageContent { title, tab: NavTab::Workflows, body: page.render()? })
}

async fn view(request: &PageRequest<'_>, id: &JobId) -> Result<WorkflowView, PageError> {
    let report = request.app.client.workflow(id).await.map_err(|err| match &err {
        WorkflowError::Unknown(_) => PageError::not_found(err.to_string()),
        _ => PageError::broker(err.to_string()),
    })?;
    let now = request.now();
    let (ended, completed) = report.ended();
    let nodes: Vec<DagNode> = report
        .jobs
        .iter()
        .map(|node| DagNode {
            name: clean(&node.name),
            depth: node.depth,
            after: node.after.iter().map(|name| clean(name)).collect(),
            state: node.state,
            link: job::link(request, &node.key),
        })
        .collect();
    let row = |node: &WorkflowNode| NodeRow {
        depth: node.depth,
        name: clean(&node.name),
        link: job::link(request, &node.key),
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
            RunWhen::AllEnded => "after all end",
            _ => "",
        },
        due: node.due_at.map(|at| RelativeTime::new(at, now)),
        finished: node.finished_at.map(|at| RelativeTime::new(at, now)),
        reason: redacted(node.reason.as_deref().unwrap_or_default(), 300),
    };
    Ok(WorkflowView {
        name: clean(report.name.as_deref().unwrap_or_default()),
        started: report.enqueued_at.map(|at| RelativeTime::new(at, now)),
        cancelled: report.cancelled,
        ended,
        completed,
        may_act: {
            let queues = report.jobs.iter().map(|node| &node.key.queue).collect();
            request.access.may(Role::Operate, &queues)
        },
        all: report.jobs.len(),
        dag: dag::draw(&nodes),
        rows: report.jobs.iter().map(row).collect(),
    })
}
