//! [`WorkflowReport`]: where each job of a workflow stands, and what it waits for.

use naq_core::clock::Timestamp;
use naq_core::flow::RunWhen;
use naq_core::names::{JobId, TaskName};
use naq_core::state::JobState;
use naq_core::transport::{JobKey, TransportError};
use serde::Serialize;

use crate::together::together;
use crate::workflow::WorkflowError;
use crate::{Client, ClientError, JobReport};

/// A workflow as an operator sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkflowReport {
    /// Its id; for the surroundings of a job that is part of none, the job's.
    pub id: JobId,
    /// Its name; none for such surroundings.
    pub name: Option<String>,
    /// When it was started.
    pub enqueued_at: Option<Timestamp>,
    /// Whether somebody cancelled it.
    pub cancelled: bool,
    /// Its jobs, those before others first.
    pub jobs: Vec<WorkflowNode>,
}

/// One job of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkflowNode {
    /// Its name in the workflow; elsewhere `queue/id`.
    pub name: String,
    /// The job.
    pub key: JobKey,
    /// Its task, where it is known.
    pub task: Option<TaskName>,
    /// The names of those that come before it.
    pub after: Vec<String>,
    /// Which of their ends let it run.
    pub when: RunWhen,
    /// How many jobs come before it on the longest way.
    pub depth: usize,
    /// Where it stands; none when nothing is known of it any more, or not yet.
    pub state: Option<JobState>,
    /// The attempt that it is at.
    pub attempt: Option<u32>,
    /// Attempts in all.
    pub max_attempts: Option<u32>,
    /// If it is blocked: the names of those that it still waits for.
    pub waits_for: Vec<String>,
    /// When it runs, if it waits for its time.
    pub due_at: Option<Timestamp>,
    /// When it ended, if it did.
    pub finished_at: Option<Timestamp>,
    /// Why it ended or waits, as its last record says.
    pub reason: Option<String>,
}

impl WorkflowReport {
    /// How many of its jobs have ended, and how many of those completed.
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
    /// Where the jobs of a workflow stand.
    ///
    /// # Errors
    /// [`WorkflowError::Unknown`] among others.
    pub async fn workflow(&self, id: &JobId) -> Result<WorkflowReport, WorkflowError> {
        let (manifest, _) = self.manifest(id).await?;
        let name = |place: &usize| manifest.jobs[*place].name.clone();
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

    /// A job between those that it waits or waited for and those that wait for it.
    ///
    /// # Errors
    /// [`ClientError::NoJob`] among others.
    pub async fn surroundings(&self, key: &JobKey) -> Result<WorkflowReport, ClientError> {
        let report = self.report(key).await?;
        let depends = report.envelope.as_ref().and_then(|job| job.depends_on.as_ref());
        let before = depends.map(|depends| depends.on.clone()).unwrap_or_default();
        let after = self.dependents(key).await?;
        let (name, when) = (key.to_string(), depends.map(|d| d.when).unwrap_or_default());
        let depth = usize::from(!before.is_empty());
        let mut jobs: Vec<_> =
            before.iter().map(|key| node(key.to_string(), key.clone())).collect();
        let names = jobs.iter().map(|job| job.name.clone()).collect();
        jobs.push(WorkflowNode { after: names, when, depth, ..node(name.clone(), key.clone()) });
        jobs.extend(after.iter().map(|key| {
            let (after, depth) = (vec![name.clone()], depth + 1);
            WorkflowNode { after, depth, ..node(key.to_string(), key.clone()) }
        }));
        let jobs = self.filled(jobs).await?;
        let (name, enqueued_at) = (None, None);
        Ok(WorkflowReport { id: key.id.clone(), name, enqueued_at, cancelled: false, jobs })
    }

    async fn filled(
        &self,
        mut jobs: Vec<WorkflowNode>,
    ) -> Result<Vec<WorkflowNode>, TransportError> {
        let reports = jobs.iter().enumerate().map(|(place, job)| async move {
            match self.report(&job.key).await {
                Ok(report) => Ok(Some((place, report))),
                Err(ClientError::Transport(err)) => Err(err),
                Err(_) => Ok(None),
            }
        });
        let reports = together(reports).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        let names: std::collections::HashMap<_, _> =
            jobs.iter().map(|job| (job.key.clone(), job.name.clone())).collect();
        let name = |key: &JobKey| names.get(key).cloned().unwrap_or_else(|| key.to_string());
        for (place, report) in reports.into_iter().flatten() {
            jobs[place].fill(&report, &name);
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
