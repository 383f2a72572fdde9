//! [`WorkflowReport`]: the states of a workflow's jobs, and what each of them waits for.

use naq_core::clock::Timestamp;
use naq_core::flow::RunWhen;
use naq_core::names::{JobId, JobKey, TaskName};
use naq_core::state::JobState;
use naq_core::transport::TransportError;
use serde::Serialize;

use crate::join_bounded::join_bounded;
use crate::workflow::error::WorkflowError;
use crate::{Client, ClientError, JobReport};

/// A workflow as an operator sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkflowReport {
    /// The workflow's id. In [`Client::surroundings`], the job's id.
    pub id: JobId,
    /// The workflow's name. `None` in [`Client::surroundings`].
    pub name: Option<String>,
    /// When it was started.
    pub enqueued_at: Option<Timestamp>,
    /// True if it was cancelled.
    pub cancelled: bool,
    /// Its jobs; each comes after the jobs that it depends on.
    pub jobs: Vec<WorkflowNode>,
}

/// One job of a workflow.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkflowNode {
    /// Its name in the workflow. In [`Client::surroundings`], `queue/id`.
    pub name: String,
    /// The job's key.
    pub key: JobKey,
    /// Its task, if known.
    pub task: Option<TaskName>,
    /// The names of the jobs before it.
    pub after: Vec<String>,
    /// Which ends of those jobs let it run.
    pub when: RunWhen,
    /// The number of jobs before it on the longest path.
    pub depth: usize,
    /// Its state; `None` if the broker does not know the job yet, or no longer.
    pub state: Option<JobState>,
    /// The current attempt.
    pub attempt: Option<u32>,
    /// The most attempts that the policy allows.
    pub max_attempts: Option<u32>,
    /// The names of the jobs that it still waits for, if it is blocked.
    pub waits_for: Vec<String>,
    /// When it will run, if it waits for its time.
    pub due_at: Option<Timestamp>,
    /// When it ended, if it has.
    pub finished_at: Option<Timestamp>,
    /// Why it ended or waits, from its last attempt record.
    pub reason: Option<String>,
}

impl WorkflowReport {
    /// How many of its jobs have ended, and how many of these completed.
    pub fn ended(&self) -> (usize, usize) {
        let ended = self.jobs.iter().filter(|job| job.state.is_some_and(JobState::is_final));
        let completed = self.jobs.iter().filter(|job| job.state == Some(JobState::Completed));
        (ended.count(), completed.count())
    }
}

impl WorkflowNode {
    fn fill(&mut self, report: &JobReport, names: &dyn Fn(&JobKey) -> String) {
        self.state = Some(report.state);
        self.waits_for = report.waits_for.iter().map(names).collect();
        let waits_for_time = matches!(report.state, JobState::Scheduled | JobState::Retrying);
        self.due_at = report.due_at.filter(|_| waits_for_time);
        self.finished_at = report.finished_at;
        let Some(job) = &report.envelope else { return };
        self.task = Some(job.task.clone());
        self.when = job.depends_on.as_ref().map_or(self.when, |depends| depends.when);
        (self.attempt, self.max_attempts) = (Some(job.attempt), Some(job.max_attempts()));
        let blocked = report.state == JobState::Blocked;
        let last = job.history.last().filter(|_| !blocked);
        self.reason = last.and_then(|last| last.reason.clone());
    }
}

impl Client {
    /// The states of a workflow's jobs.
    ///
    /// # Errors
    /// [`WorkflowError`], such as [`WorkflowError::Unknown`].
    pub async fn workflow(&self, id: &JobId) -> Result<WorkflowReport, WorkflowError> {
        let (manifest, _) = self.manifest(id).await?;
        let name = |index: &usize| manifest.jobs[*index].name.clone();
        let nodes = manifest.jobs.iter().map(|job| {
            let inside = job.after.iter().map(name);
            WorkflowNode {
                after: inside.chain(job.outside.iter().map(ToString::to_string)).collect(),
                when: job.when,
                depth: job.depth,
                task: Some(job.task.clone()),
                ..node(job.name.clone(), job.key.clone())
            }
        });
        let mut jobs = self.filled(nodes.collect()).await?;
        jobs.sort_by_key(|job| job.depth);
        Ok(WorkflowReport {
            id: manifest.id,
            name: Some(manifest.name),
            enqueued_at: Some(manifest.enqueued_at),
            cancelled: manifest.cancelled,
            jobs,
        })
    }

    /// A job with the jobs that it waits or waited for, and the jobs that wait for it.
    ///
    /// # Errors
    /// [`ClientError`], such as [`ClientError::NoJob`].
    pub async fn surroundings(&self, key: &JobKey) -> Result<WorkflowReport, ClientError> {
        let report = self.report(key).await?;
        let depends = report.envelope.as_ref().and_then(|job| job.depends_on.as_ref());
        let before = depends.map(|depends| depends.on.clone()).unwrap_or_default();
        let after = self.dependents(key).await?;
        let name = key.to_string();
        let when = depends.map(|d| d.when).unwrap_or_default();
        let depth = usize::from(!before.is_empty());
        let mut jobs: Vec<_> =
            before.iter().map(|key| node(key.to_string(), key.clone())).collect();
        let names = jobs.iter().map(|job| job.name.clone()).collect();
        jobs.push(WorkflowNode { after: names, when, depth, ..node(name.clone(), key.clone()) });
        jobs.extend(after.iter().map(|key| WorkflowNode {
            after: vec![name.clone()],
            depth: depth + 1,
            ..node(key.to_string(), key.clone())
        }));
        let jobs = self.filled(jobs).await?;
        Ok(WorkflowReport {
            id: key.id.clone(),
            name: None,
            enqueued_at: None,
            cancelled: false,
            jobs,
        })
    }

    async fn filled(
        &self,
        mut jobs: Vec<WorkflowNode>,
    ) -> Result<Vec<WorkflowNode>, TransportError> {
        let reports = jobs.iter().enumerate().map(|(index, job)| async move {
            match self.report(&job.key).await {
                Ok(report) => Ok(Some((index, report))),
                Err(ClientError::Transport(err)) => Err(err),
                Err(_) => Ok(None),
            }
        });
        let reports = join_bounded(reports).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        let names: std::collections::HashMap<_, _> =
            jobs.iter().map(|job| (job.key.clone(), job.name.clone())).collect();
        let name = |key: &JobKey| names.get(key).cloned().unwrap_or_else(|| key.to_string());
        for (index, report) in reports.into_iter().flatten() {
            jobs[index].fill(&report, &name);
        }
        Ok(jobs)
    }
}

fn node(name: String, key: JobKey) -> WorkflowNode {
    WorkflowNode {
        name,
        key,
        task: None,
        after: Vec::new(),
        when: RunWhen::default(),
        depth: 0,
        state: None,
        attempt: None,
        max_attempts: None,
        waits_for: Vec::new(),
        due_at: None,
        finished_at: None,
        reason: None,
    }
}
