//! Start: the children before the parents, and the first jobs last.

use std::time::Duration;

use naq_core::flow::{Dependencies, RunWhen};
use naq_core::transport::{Expect, JobKey, Saved};

use crate::depends::{Child, Parent};
use crate::enqueue::Prepared;
use crate::together::together;
use crate::workflow::manifest::Manifest;
use crate::workflow::plan::Plan;
use crate::workflow::{Workflow, WorkflowError, WorkflowHandle};
use crate::{Client, EnqueueError};

/// A workflow that was begun so long ago and is not started is not begun again: the jobs of it that
/// are there may give up at any moment.
const ABANDONED: Duration = Duration::from_secs(300);

impl Client {
    /// Starts a workflow: all of its jobs, or, if this process dies over it, none that runs.
    ///
    /// What it consists of is noted first. Then come the jobs that wait for others, tied to those
    /// before they exist, and last the jobs that wait for none. If this process dies before these,
    /// the others end as cancelled after 10 minutes; starting the workflow again under the same id
    /// within 5 minutes finishes it instead.
    ///
    /// # Errors
    /// [`WorkflowError`]: a cycle, a name that is unknown or given twice, a job that cannot be
    /// enqueued; or the broker went away, and then it can be started again under the same id.
    pub async fn start(&self, workflow: Workflow) -> Result<WorkflowHandle, WorkflowError> {
        let mut plan = Plan::new(self, workflow)?;
        let outside = self.outside(&plan).await?;
        let revision = match self.put_manifest(&plan.manifest, Expect::Absent).await? {
            Saved::Stored(revision) => revision,
            Saved::Conflict => {
                let (noted, revision) = self.manifest(&plan.manifest.id).await?;
                if !noted.has_jobs_of(&plan.manifest) {
                    return Err(WorkflowError::Taken(noted.id));
                }
                if noted.started || noted.cancelled {
                    return Ok(WorkflowHandle::new(self.clone(), noted, true));
                }
                if self.clock.now().since(noted.enqueued_at) > ABANDONED {
                    return Err(WorkflowError::Abandoned(noted.id));
                }
                plan.manifest = noted;
                plan.name_lives();
                revision
            }
        };
        self.begin(&plan, &outside).await?;
        self.note_start(plan.manifest, revision).await
    }

    /// The jobs outside of the workflow that its jobs wait for, each once.
    async fn outside(&self, plan: &Plan) -> Result<Vec<(JobKey, Parent)>, WorkflowError> {
        let all = plan.manifest.jobs.iter().flat_map(|job| job.outside.iter().cloned());
        let all = Dependencies::new(all, RunWhen::default());
        if all.on.is_empty() {
            return Ok(Vec::new());
        }
        self.parents_of(&all).await.map_err(|source| match source {
            EnqueueError::Transport(err) => err.into(),
            EnqueueError::UnknownDependency(ref key)
            | EnqueueError::RecordlessDependency(ref key) => {
                let waits = plan.manifest.jobs.iter().find(|job| job.outside.contains(key));
                let name = waits.map(|job| job.name.clone()).unwrap_or_default();
                WorkflowError::Job { name, source }
            }
            source => WorkflowError::Job { name: String::new(), source },
        })
    }

    async fn begin(&self, plan: &Plan, outside: &[(JobKey, Parent)]) -> Result<(), WorkflowError> {
        let keys: Vec<JobKey> = plan.manifest.jobs.iter().map(|job| job.key.clone()).collect();
        let traces = self.transport.evidence(&keys).await?;
        // Of an earlier start that was broken off: they are there, or have run already.
        let there = |place: usize| {
            let life = &plan.jobs[place].nonce;
            traces[place].iter().any(|trace| trace.step.nonce == *life)
        };
        let waits = |place: &usize| plan.jobs[*place].depends_on.is_some();
        let places = 0..plan.jobs.len();
        let send = |place: usize| self.send_node(plan, place);
        let children = places.clone().filter(waits).filter(|place| !there(*place));
        together(children.map(send)).await.into_iter().collect::<Result<Vec<()>, _>>()?;

        let tied = places.clone().filter_map(|place| {
            let child = Child::of(&plan.jobs[place])?;
            let node = &plan.manifest.jobs[place];
            let inside = node.after.iter().map(|before| {
                (keys[*before].clone(), Parent::Live(plan.jobs[*before].nonce.clone()))
            });
            let outside = outside.iter().filter(|(key, _)| node.outside.contains(key)).cloned();
            Some((child, inside.chain(outside).collect::<Vec<_>>()))
        });
        self.tie_all(tied.collect()).await?;

        let first = places.filter(|place| !waits(place)).filter(|place| !there(*place));
        together(first.map(send)).await.into_iter().collect::<Result<Vec<()>, _>>()?;
        Ok(())
    }

    async fn send_node(&self, plan: &Plan, place: usize) -> Result<(), WorkflowError> {
        let (job, name) = (&plan.jobs[place], &plan.manifest.jobs[place].name);
        let wrong = |source| match source {
            EnqueueError::Transport(err) => WorkflowError::Transport(err),
            source => WorkflowError::Job { name: name.clone(), source },
        };
        let prepared = Prepared::<()>::new(job.clone(), true).map_err(wrong)?;
        let sent = self.send_alone(prepared).await.map_err(wrong)?;
        if let Some(holder) = sent.held_by() {
            let why = format!("job {holder} holds the unique key that it wants");
            return Err(wrong(EnqueueError::Option(why)));
        }
        if sent.is_duplicate() {
            // Ours, if two processes start the workflow at once.
            let key = &plan.manifest.jobs[place].key;
            let traces = self.transport.evidence(std::slice::from_ref(key)).await?.concat();
            if !traces.is_empty() && traces.iter().all(|trace| trace.step.nonce != job.nonce) {
                return Err(WorkflowError::Occupied { name: name.clone(), key: key.clone() });
            }
        }
        Ok(())
    }

    async fn note_start(
        &self,
        mut manifest: Manifest,
        revision: u64,
    ) -> Result<WorkflowHandle, WorkflowError> {
        manifest.started = true;
        if self.put_manifest(&manifest, Expect::Revision(revision)).await? == Saved::Conflict {
            let (noted, _) = self.manifest(&manifest.id).await?;
            if noted.cancelled {
                // Whoever cancelled it may not have seen the jobs that came last.
                self.cancel_workflow(&noted.id, "the workflow was cancelled").await?;
                return Err(WorkflowError::Cancelled(noted.id));
            }
            manifest = noted;
        }
        Ok(WorkflowHandle::new(self.clone(), manifest, false))
    }
}
