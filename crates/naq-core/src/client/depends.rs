//! Jobs that wait for other jobs. The protocol, and why every interleaving of it is safe, is in
//! `docs/adr/0016-dependencies.md`.

mod edges;
mod link;
mod parents;
mod refs;
mod wake;

pub(super) use edges::Child;
pub(super) use link::Parent;
pub use parents::{ParentEnd, Parents};
pub use refs::{JobRef, JobRefs, NamedJob};

use super::{Client, EnqueueError, JobReport};
use crate::flow::{Dependencies, RunWhen, Verdict};
use crate::names::NameError;
use crate::state::JobState;
use crate::transport::{JobKey, TransportError};
use crate::wire::Envelope;

/// What a job about to be enqueued is to wait for, as it was asked for.
#[derive(Debug, Default)]
pub(super) struct Wish {
    pub(super) on: Vec<Result<NamedJob, NameError>>,
    pub(super) after_failure: bool,
    pub(super) partial: bool,
}

/// A job about to be sent that waits for others.
#[derive(Debug)]
pub(super) struct Waiting {
    child: Child,
    depends: Dependencies,
}

impl Wish {
    /// Which ends let the job run.
    pub(super) fn when(&self) -> RunWhen {
        match (self.after_failure, self.partial) {
            (false, false) => RunWhen::AllCompleted,
            (false, true) => RunWhen::AnyCompleted,
            (true, false) => RunWhen::AnyFailed,
            (true, true) => RunWhen::AllEnded,
        }
    }

    /// Writes the wish into the job.
    pub(super) fn write(self, job: &mut Envelope) -> Result<(), EnqueueError> {
        let when = self.when();
        let mut on = Vec::with_capacity(self.on.len());
        for named in self.on {
            on.push(named?.in_queue(&job.queue));
        }
        write(job, on, when)
    }
}

/// Makes `job` wait for these jobs.
pub(super) fn write(
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
    pub(super) fn of(job: &Envelope) -> Option<Box<Self>> {
        let (child, depends) = (Child::of(job)?, job.depends_on.clone()?);
        Some(Box::new(Self { child, depends }))
    }
}

impl Client {
    /// The jobs that it is to wait for, before it is sent.
    pub(super) async fn before_send(
        &self,
        waiting: &Waiting,
    ) -> Result<Vec<(JobKey, Parent)>, EnqueueError> {
        self.parents_of(&waiting.depends).await
    }

    /// Ties a job that is stored to those that it waits for. If the broker goes away over this, the
    /// job is stored all the same, and ties itself within a minute.
    pub(super) async fn after_send(
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
    pub(super) async fn add_blockers(&self, report: &mut JobReport) -> Result<(), TransportError> {
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
