//! A whole graph of jobs at once.

mod cancel;
mod error;
mod handle;
mod manifest;
mod plan;
mod report;
mod start;

pub use error::WorkflowError;
pub use handle::WorkflowHandle;
pub use manifest::WorkflowSummary;
pub use report::{WorkflowNode, WorkflowReport};

use naq_core::job::Job;
use naq_core::wire::Envelope;

use crate::depends::Wish;
use crate::{Client, Enqueue, EnqueueError};

/// A graph of jobs, to be [started](Client::start) as one. Its jobs have names, and an edge is drawn
/// by naming the jobs that come before one. What is wrong with it is said when it is started.
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
    name: String,
    id: Option<String>,
    jobs: Vec<Node>,
    edges: Vec<(String, String)>,
    /// Names whose job runs after a failure, and those that need only some successes.
    after_failure: Vec<String>,
    partial: Vec<String>,
}

/// What [`Workflow::job`] takes: a [`Job`], with the options of its type, or an [`Enqueue`] with
/// options of its own.
pub trait WorkflowJob {
    /// The job as part of a workflow.
    fn node(self) -> NodeJob;
}

/// Writes the job, once it is known for which client.
type Write = dyn FnOnce(&Client) -> Result<Envelope, EnqueueError> + Send;

/// A job that is part of a workflow.
pub struct NodeJob {
    pub(crate) write: Box<Write>,
    pub(crate) wish: Wish,
    /// Whether its id was chosen.
    pub(crate) named: bool,
}

#[derive(Debug)]
struct Node {
    name: String,
    job: NodeJob,
}

impl std::fmt::Debug for NodeJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeJob").field("wish", &self.wish).finish_non_exhaustive()
    }
}

impl<J: Job> WorkflowJob for J {
    fn node(self) -> NodeJob {
        let write = move |client: &Client| client.enqueue(self).write();
        NodeJob { write: Box::new(write), wish: Wish::default(), named: false }
    }
}

impl<O> WorkflowJob for Enqueue<'_, O> {
    fn node(mut self) -> NodeJob {
        let (wish, named) = (std::mem::take(&mut self.wish), self.has_id());
        let written = self.write();
        NodeJob { write: Box::new(|_| written), wish, named }
    }
}

impl Workflow {
    /// An empty workflow of this name: letters, digits, `_`, `-`.
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

    /// Its id; by default the name and a random part. The same id twice is one workflow: starting
    /// it again adds nothing, and finishes what a process that died had begun.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Adds a job under this name. Its id is the workflow's id and its name, `ID-NAME`, unless it
    /// has one of its own.
    pub fn job(mut self, name: impl Into<String>, job: impl WorkflowJob) -> Self {
        self.jobs.push(Node { name: name.into(), job: job.node() });
        self
    }

    /// Runs `job` after these.
    pub fn after<N: AsRef<str>>(
        mut self,
        job: impl AsRef<str>,
        before: impl IntoIterator<Item = N>,
    ) -> Self {
        let edge = |before: N| (job.as_ref().to_owned(), before.as_ref().to_owned());
        self.edges.extend(before.into_iter().map(edge));
        self
    }

    /// Runs these one after the other.
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

    /// Runs `job` once all before it have ended, if at least one did not complete; see
    /// [`Enqueue::run_after_failure`].
    pub fn run_after_failure(mut self, job: impl Into<String>) -> Self {
        self.after_failure.push(job.into());
        self
    }

    /// Runs `job` once all before it have ended, if at least one completed; see
    /// [`Enqueue::allow_partial_dependencies`].
    pub fn allow_partial_dependencies(mut self, job: impl Into<String>) -> Self {
        self.partial.push(job.into());
        self
    }
}
