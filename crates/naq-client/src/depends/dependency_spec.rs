//! [`DependencySpec`]: the jobs that a new job shall wait for, as the caller named them.

use naq_core::flow::{Dependencies, RunWhen};
use naq_core::names::{JobKey, NameError};
use naq_core::wire::Envelope;

use crate::EnqueueError;
use crate::depends::refs::NamedJob;

/// The dependencies of a job that is not enqueued yet. Names are checked when the job is written.
#[derive(Debug, Default)]
pub(crate) struct DependencySpec {
    pub(crate) on: Vec<Result<NamedJob, NameError>>,
    pub(crate) after_failure: bool,
    pub(crate) partial: bool,
}

impl DependencySpec {
    /// Which ends of the parents let the job run.
    pub(crate) fn when(&self) -> RunWhen {
        match (self.after_failure, self.partial) {
            (false, false) => RunWhen::AllCompleted,
            (false, true) => RunWhen::AnyCompleted,
            (true, false) => RunWhen::AnyFailed,
            (true, true) => RunWhen::AllEnded,
        }
    }

    /// Writes the dependencies into the job.
    pub(crate) fn write_to(self, job: &mut Envelope) -> Result<(), EnqueueError> {
        let when = self.when();
        let mut on = Vec::with_capacity(self.on.len());
        for named in self.on {
            on.push(named?.in_queue(&job.queue));
        }
        write_dependencies(job, on, when)
    }
}

/// Makes `job` wait for the jobs `on`.
pub(crate) fn write_dependencies(
    job: &mut Envelope,
    on: Vec<JobKey>,
    when: RunWhen,
) -> Result<(), EnqueueError> {
    let mut depends = Dependencies::new(on, when);
    if depends.on.is_empty() {
        return match when {
            RunWhen::AllCompleted => Ok(()),
            _ => Err(EnqueueError::Option(
                "it runs after other jobs, and depends_on names none".into(),
            )),
        };
    }
    let own = JobKey::new(job.queue.clone(), job.id.clone());
    depends.check(&own).map_err(EnqueueError::Option)?;
    // The job waits for its parents first, and then for its own due time.
    depends.not_before = job.due_at.take();
    job.depends_on = Some(depends);
    Ok(())
}
