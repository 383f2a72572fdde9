//! Jobs that wait for other jobs. The protocol, and why every interleaving of it is safe, is in
//! `docs/adr/0016-dependencies.md`.

mod edges;
mod link;
mod parents;
mod refs;
mod release;
mod wake;

pub(crate) use edges::Child;
pub(crate) use link::Parent;
pub use parents::{ParentEnd, Parents};
pub use refs::{JobRef, JobRefs, NamedJob};
pub use wake::Wake;

use naq_core::flow::{Dependencies, RunWhen, Verdict};
use naq_core::names::NameError;
use naq_core::state::JobState;
use naq_core::transport::{JobKey, TransportError};
use naq_core::wire::Envelope;

use crate::{Client, EnqueueError, JobReport};

/// What a job about to be enqueued is to wait for, as it was asked for.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    pub(crate) on: Vec<Result<NamedJob, NameError>>,
    pub(crate) after_failure: bool,
    pub(crate) partial: bool,
}

/// A job about to be sent that waits for others.
#[derive(Debug)]
pub(crate) struct Waiting {
    child: Child,
    depends: Dependencies,
}

impl Wish {
    /// Which ends let the job run.
    pub(crate) fn when(&self) -> RunWhen {
        match (self.after_failure, self.partial) {
            (false, false) => RunWhen::AllCompleted,
            (false, true) => RunWhen::AnyCompleted,
            (true, false) => RunWhen::AnyFailed,
            (true, true) => RunWhen::AllEnded,
        }
    }

    /// Writes the wish into the job.
    pub(crate) fn write(self, job: &mut Envelope) -> Result<(), EnqueueError> {
        let when = self.when();
        let mut on = Vec::with_capacity(self.on.len());
        for named in self.on {
            on.push(named?.in_queue(&job.queue));
        }
        write(job, on, when)
    }
}

/// Makes `job` wait for these jobs.
pub(crate) fn write(
    job: &mut Envelope,
    on: Vec<JobKey>,
    when: RunWhen,
) -> Result<(), EnqueueError> {
    let wrong = |what: String| Err(EnqueueError::Option(what));
    let mut depends = Dependencies::new(on, when);
    if depends.on.is_empty() {
        return match when {
            RunWhen::AllCompleted => Ok(()),
            _ => wrong("it runs after other jobs, and depends_on names none".into()),
        };
    }
    let own = JobKey { queue: job.queue.clone(), id: job.id.clone() };
    depends.check(&own).map_err(EnqueueError::Option)?;
    // It waits for its jobs first, and then for its own time.
    depends.not_before = job.due_at.take();
    job.depends_on = Some(depends);
    Ok(())
}

impl Waiting {
    /// None for a job that waits for no other.
    pub(crate) fn of(job: &Envelope) -> Option<Box<Self>> {
        let (child, depends) = (Child::of(job)?, job.depends_on.clone()?);
        Some(Box::new(Self { child, depends }))
    }
}

impl Client {
    /// The jobs that it is to wait for, before it is sent.
    pub(crate) async fn before_send(
        &self,
        waiting: &Waiting,
    ) -> Result<Vec<(JobKey, Parent)>, EnqueueError> {
        self.parents_of(&waiting.depends).await
    }

    /// Ties a job that is stored to those that it waits for. If the broker goes away over this, the
    /// job is stored all the same, and ties itself within a minute.
    pub(crate) async fn after_send(
        &self,
        waiting: &Waiting,
        parents: &[(JobKey, Parent)],
        duplicate: bool,
    ) -> Result<(), EnqueueError> {
        let tied = match duplicate {
            // What is stored there may be another job, or one whose sender died before this line.
            true => self.tie_stored(&waiting.child.key).await,
            false => self.tie(&waiting.child, parents).await,
        };
        match tied {
            Err(err) if !err.is_transient() => Err(err.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    async fn tie_stored(&self, key: &JobKey) -> Result<(), TransportError> {
        let Some(report) = self.newest(key).await? else { return Ok(()) };
        let (JobState::Blocked, Some(job)) = (report.state, &report.envelope) else {
            return Ok(());
        };
        match (self.check_dependencies(job).await?, Child::of(job)) {
            (verdict, Some(child)) if verdict != Verdict::Wait => {
                self.carry_out(&child, verdict).await
            }
            _ => Ok(()),
        }
    }

    /// Says of a blocked job which jobs it still waits for. One that waits for none waits for its
    /// own time.
    pub(crate) async fn add_blockers(&self, report: &mut JobReport) -> Result<(), TransportError> {
        let Some((depends, child)) = report
            .envelope
            .as_ref()
            .and_then(|job| Some((job.depends_on.as_ref()?, Child::of(job)?)))
        else {
            return Ok(());
        };
        let met = self.list_met(&child).await?;
        let ended: std::collections::HashSet<_> = met.iter().map(|met| &met.parent).collect();
        report.waits_for = depends.on.iter().filter(|key| !ended.contains(key)).cloned().collect();
        if report.waits_for.is_empty() {
            report.state = JobState::Scheduled;
        }
        Ok(())
    }
}
