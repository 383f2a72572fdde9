//! [`Workflow`]: the builder of a graph of jobs.

use naq_core::job::Job;
use naq_core::wire::Envelope;

use crate::depends::DependencySpec;
use crate::{Client, Enqueue, EnqueueError};

/// A graph of jobs that is [started](Client::start) as one. Its jobs have names; an edge names a job
/// and a job that comes before it. Errors in the graph are reported by the start.
///
/// ```no_run
/// # use naq_client::{Client, Workflow};
/// # use naq_core::Job;
/// # async fn f<J: Job + Clone>(client: Client, job: J) -> Result<(), Box<dyn std::error::Error>> {
/// let etl = Workflow::new("etl")
///     .job("extract", job.clone())
///     .job("clean", client.enqueue(job.clone()).max_retries(5))
///     .job("enrich", job.clone())
///     .job("load", job)
///     .fan_out("extract", ["clean", "enrich"])
///     .fan_in(["clean", "enrich"], "load");
/// let running = client.start(etl).await?;
/// println!("workflow {}", running.id());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing runs until it is started"]
pub struct Workflow {
    pub(super) name: String,
    pub(super) id: Option<String>,
    pub(super) jobs: Vec<WorkflowPart>,
    /// A job, and a job that comes before it.
    pub(super) edges: Vec<(String, String)>,
    /// Names of jobs that run after a failure.
    pub(super) after_failure: Vec<String>,
    /// Names of jobs that need only one completed job before them.
    pub(super) partial: Vec<String>,
}

/// What [`Workflow::job`] takes: a [`Job`] with the options of its type, or an [`Enqueue`] with its
/// own options.
pub trait WorkflowJob {
    /// The job as part of a workflow.
    fn node(self) -> NodeJob;
}

/// Writes the job once the client is known that starts the workflow.
type WriteJob = dyn FnOnce(&Client) -> Result<Envelope, EnqueueError> + Send;

/// A job that is part of a workflow.
pub struct NodeJob {
    pub(crate) write: Box<WriteJob>,
    pub(crate) depends: DependencySpec,
    /// True if the caller has chosen the job's id.
    pub(crate) has_id: bool,
}

/// A named job of a workflow.
#[derive(Debug)]
pub(super) struct WorkflowPart {
    pub(super) name: String,
    pub(super) job: NodeJob,
}

impl std::fmt::Debug for NodeJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeJob").field("depends", &self.depends).finish_non_exhaustive()
    }
}

impl<J: Job> WorkflowJob for J {
    fn node(self) -> NodeJob {
        let write = move |client: &Client| client.enqueue(self).write();
        NodeJob { write: Box::new(write), depends: DependencySpec::default(), has_id: false }
    }
}

impl<O> WorkflowJob for Enqueue<'_, O> {
    fn node(mut self) -> NodeJob {
        let depends = std::mem::take(&mut self.depends);
        let has_id = self.has_id();
        let written = self.write();
        NodeJob { write: Box::new(|_| written), depends, has_id }
    }
}

impl Workflow {
    /// An empty workflow with this name: letters, digits, `_`, `-`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            id: None,
            jobs: Vec::new(),
            edges: Vec::new(),
            after_failure: Vec::new(),
            partial: Vec::new(),
        }
    }

    /// Sets the id; by default the name and a random part. The same id twice is one workflow: a
    /// second start adds no jobs, and completes a start that crashed.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Adds a job with this name. Unless the job has its own id, the id is the workflow's id and the
    /// name, `ID-NAME`.
    pub fn job(mut self, name: impl Into<String>, job: impl WorkflowJob) -> Self {
        self.jobs.push(WorkflowPart { name: name.into(), job: job.node() });
        self
    }

    /// Runs `job` after all of these.
    pub fn after<N: AsRef<str>>(
        mut self,
        job: impl AsRef<str>,
        before: impl IntoIterator<Item = N>,
    ) -> Self {
        let edge = |before: N| (job.as_ref().to_owned(), before.as_ref().to_owned());
        self.edges.extend(before.into_iter().map(edge));
        self
    }

    /// Runs these jobs one after another.
    pub fn sequence<N: AsRef<str>>(mut self, jobs: impl IntoIterator<Item = N>) -> Self {
        let mut before: Option<N> = None;
        for job in jobs {
            if let Some(before) = &before {
                self.edges.push((job.as_ref().to_owned(), before.as_ref().to_owned()));
            }
            before = Some(job);
        }
        self
    }

    /// Runs each of these after `first`.
    pub fn fan_out<N: AsRef<str>>(
        self,
        first: impl AsRef<str>,
        then: impl IntoIterator<Item = N>,
    ) -> Self {
        let first = first.as_ref();
        then.into_iter().fold(self, |workflow, job| workflow.after(job, [first]))
    }

    /// Runs `last` after all of these.
    pub fn fan_in<N: AsRef<str>>(
        self,
        first: impl IntoIterator<Item = N>,
        last: impl AsRef<str>,
    ) -> Self {
        self.after(last, first)
    }

    /// Runs `job` once all jobs before it have ended, if at least one did not complete; see
    /// [`Enqueue::run_after_failure`].
    pub fn run_after_failure(mut self, job: impl Into<String>) -> Self {
        self.after_failure.push(job.into());
        self
    }

    /// Runs `job` once all jobs before it have ended, if at least one completed; see
    /// [`Enqueue::allow_partial_dependencies`].
    pub fn allow_partial_dependencies(mut self, job: impl Into<String>) -> Self {
        self.partial.push(job.into());
        self
    }
}
