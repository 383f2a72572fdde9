//! Start a workflow: enqueue the dependents before the parents, and the first jobs last.

use std::time::Duration;

use naq_core::flow::{Dependencies, RunWhen};
use naq_core::names::JobKey;
use naq_core::transport::{Expect, Saved};

use crate::depends::{Dependent, ParentState};
use crate::enqueue::Prepared;
use crate::join_bounded::join_bounded;
use crate::workflow::builder::Workflow;
use crate::workflow::error::WorkflowError;
use crate::workflow::handle::WorkflowHandle;
use crate::workflow::manifest::Manifest;
use crate::workflow::plan::WorkflowPlan;
use crate::{Client, EnqueueError};

/// A second start does not complete a first start that is older than this. By then the jobs of the
/// first start may be cancelled at any moment.
const ABANDONED_AFTER: Duration = Duration::from_secs(300);

impl Client {
    /// Starts all jobs of a workflow. If this process crashes before the last step below, no job
    /// runs.
    ///
    /// Stores the manifest first. Then enqueues the jobs that wait for others, and links them to
    /// jobs that do not exist yet. Last, enqueues the jobs that wait for none. If this process
    /// crashes before that, a second start with the same id can complete the first within 5 minutes.
    /// Without one, the jobs that are stored end as cancelled after 10 minutes.
    ///
    /// # Errors
    /// [`WorkflowError`]: a cycle, a name that is unknown or used twice, a job that cannot be
    /// enqueued. If the broker went away, the workflow can be started again with the same id.
    pub async fn start(&self, workflow: Workflow) -> Result<WorkflowHandle, WorkflowError> {
        let mut plan = WorkflowPlan::new(self, workflow)?;
        let outside = self.outside_parents(&plan).await?;
        let revision = match self.put_manifest(&plan.manifest, Expect::Absent).await? {
            Saved::Stored(revision) => revision,
            Saved::Conflict => {
                let (stored, revision) = self.manifest(&plan.manifest.id).await?;
                if !stored.has_jobs_of(&plan.manifest) {
                    return Err(WorkflowError::Taken(stored.id));
                }
                if stored.started || stored.cancelled {
                    return Ok(WorkflowHandle::new(self.clone(), stored, true));
                }
                if self.clock.now().since(stored.enqueued_at) > ABANDONED_AFTER {
                    return Err(WorkflowError::Abandoned(stored.id));
                }
                plan.manifest = stored;
                plan.assign_nonces();
                revision
            }
        };
        self.enqueue_all(&plan, &outside).await?;
        self.mark_started(plan.manifest, revision).await
    }

    /// The jobs outside of the workflow that its jobs wait for, each once.
    async fn outside_parents(
        &self,
        plan: &WorkflowPlan,
    ) -> Result<Vec<(JobKey, ParentState)>, WorkflowError> {
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

    async fn enqueue_all(
        &self,
        plan: &WorkflowPlan,
        outside: &[(JobKey, ParentState)],
    ) -> Result<(), WorkflowError> {
        let keys: Vec<JobKey> = plan.manifest.jobs.iter().map(|job| job.key.clone()).collect();
        let evidence = self.transport.evidence(&keys).await?;
        // True for a job that an earlier start has enqueued before it crashed.
        let exists = |index: usize| {
            let life = &plan.jobs[index].nonce;
            evidence[index].iter().any(|message| message.step.nonce == *life)
        };
        let waits = |index: &usize| plan.jobs[*index].depends_on.is_some();
        let indices = 0..plan.jobs.len();
        let send = |index: usize| self.enqueue_node(plan, index);
        let dependents = indices.clone().filter(waits).filter(|index| !exists(*index));
        join_bounded(dependents.map(send)).await.into_iter().collect::<Result<Vec<()>, _>>()?;

        let links = indices.clone().filter_map(|index| {
            let dependent = Dependent::of(&plan.jobs[index])?;
            let node = &plan.manifest.jobs[index];
            let inside = node.after.iter().map(|before| {
                (keys[*before].clone(), ParentState::Live(plan.jobs[*before].nonce.clone()))
            });
            let outside = outside.iter().filter(|(key, _)| node.outside.contains(key)).cloned();
            Some((dependent, inside.chain(outside).collect::<Vec<_>>()))
        });
        self.link_many(links.collect()).await?;

        let first = indices.filter(|index| !waits(index)).filter(|index| !exists(*index));
        join_bounded(first.map(send)).await.into_iter().collect::<Result<Vec<()>, _>>()?;
        Ok(())
    }

    async fn enqueue_node(&self, plan: &WorkflowPlan, index: usize) -> Result<(), WorkflowError> {
        let job = &plan.jobs[index];
        let node = &plan.manifest.jobs[index];
        let wrong = |source| match source {
            EnqueueError::Transport(err) => WorkflowError::Transport(err),
            source => WorkflowError::Job { name: node.name.clone(), source },
        };
        let prepared = Prepared::<()>::new(job.clone(), true).map_err(wrong)?;
        let sent = self.send_unlinked(prepared).await.map_err(wrong)?;
        if let Some(holder) = sent.held_by() {
            let why = format!("job {holder} holds the unique key that it wants");
            return Err(wrong(EnqueueError::Option(why)));
        }
        if sent.is_duplicate() {
            // It is our own job if two processes start the workflow at the same time.
            let found = self.transport.evidence(std::slice::from_ref(&node.key)).await?.concat();
            if !found.is_empty() && found.iter().all(|message| message.step.nonce != job.nonce) {
                return Err(WorkflowError::Occupied {
                    name: node.name.clone(),
                    key: node.key.clone(),
                });
            }
        }
        Ok(())
    }

    async fn mark_started(
        &self,
        mut manifest: Manifest,
        revision: u64,
    ) -> Result<WorkflowHandle, WorkflowError> {
        manifest.started = true;
        if self.put_manifest(&manifest, Expect::Revision(revision)).await? == Saved::Conflict {
            let (stored, _) = self.manifest(&manifest.id).await?;
            if stored.cancelled {
                // The process that cancelled the workflow may not have seen its last jobs.
                self.cancel_workflow(&stored.id, "the workflow was cancelled").await?;
                return Err(WorkflowError::Cancelled(stored.id));
            }
            manifest = stored;
        }
        Ok(WorkflowHandle::new(self.clone(), manifest, false))
    }
}
