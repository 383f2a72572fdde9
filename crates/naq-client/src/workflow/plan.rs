//! [`WorkflowPlan`]: the jobs of a [`Workflow`], checked, named and linked, ready to be stored. No I/O.

use std::collections::HashSet;

use naq_core::flow::{Graph, GraphError};
use naq_core::names::{JobId, JobKey};
use naq_core::wire::{Envelope, Nonce};

use crate::depends::{DependencySpec, write_dependencies};
use crate::workflow::builder::Workflow;
use crate::workflow::error::WorkflowError;
use crate::workflow::manifest::{Manifest, ManifestJob};
use crate::{Client, EnqueueError};

/// A workflow whose jobs are ready to be sent.
#[derive(Debug)]
pub(super) struct WorkflowPlan {
    pub(super) manifest: Manifest,
    /// In the order of the manifest's jobs.
    pub(super) jobs: Vec<Envelope>,
}

impl WorkflowPlan {
    pub(super) fn new(client: &Client, workflow: Workflow) -> Result<Self, WorkflowError> {
        let Workflow { name, id, jobs, edges, after_failure, partial } = workflow;
        let names: Vec<String> = jobs.iter().map(|node| node.name.clone()).collect();
        let graph = Graph::new(&names, &edges)?;
        let known: HashSet<&str> = names.iter().map(String::as_str).collect();
        if let Some(name) =
            after_failure.iter().chain(&partial).find(|n| !known.contains(n.as_str()))
        {
            let known = names.iter().take(10).cloned().collect();
            return Err(GraphError::Unknown { name: name.clone(), known }.into());
        }
        let run = Nonce::random();
        let id = JobId::new(id.unwrap_or_else(|| format!("{name}-{run}")))?;
        let mut manifest = Manifest {
            id,
            name,
            run: run.to_string(),
            enqueued_at: client.clock.now(),
            started: false,
            cancelled: false,
            jobs: Vec::with_capacity(jobs.len()),
        };
        let mut envelopes = Vec::with_capacity(jobs.len());
        for (index, mut node) in jobs.into_iter().enumerate() {
            node.job.depends.after_failure |= after_failure.contains(&node.name);
            node.job.depends.partial |= partial.contains(&node.name);
            let wrong = |source| WorkflowError::Job { name: node.name.clone(), source };
            let mut job = (node.job.write)(client).map_err(wrong)?;
            if !node.job.has_id {
                job.id = JobId::new(format!("{}-{}", manifest.id, node.name))?;
            }
            job.workflow = Some(manifest.id.clone());
            let when = node.job.depends.when();
            let outside = outside(node.job.depends, &job).map_err(wrong)?;
            manifest.jobs.push(ManifestJob {
                name: node.name,
                key: JobKey::new(job.queue.clone(), job.id.clone()),
                task: job.task.clone(),
                after: graph.before(index).to_vec(),
                outside,
                when,
                depth: graph.depth(index),
            });
            envelopes.push(job);
        }
        let mut plan = Self { manifest, jobs: envelopes };
        plan.check_keys()?;
        plan.link()?;
        Ok(plan)
    }

    /// Gives the jobs the nonces of the manifest.
    pub(super) fn assign_nonces(&mut self) {
        for (index, job) in self.jobs.iter_mut().enumerate() {
            job.nonce = self.manifest.life(index);
        }
    }

    fn check_keys(&self) -> Result<(), WorkflowError> {
        let mut seen = HashSet::new();
        match self.manifest.jobs.iter().find(|job| !seen.insert(&job.key)) {
            None => Ok(()),
            Some(job) => {
                Err(WorkflowError::Occupied { name: job.name.clone(), key: job.key.clone() })
            }
        }
    }

    /// Writes into each job which jobs it waits for.
    fn link(&mut self) -> Result<(), WorkflowError> {
        let jobs = &self.manifest.jobs;
        for (node, job) in jobs.iter().zip(&mut self.jobs) {
            let inside = node.after.iter().map(|before| jobs[*before].key.clone());
            let on = inside.chain(node.outside.iter().cloned()).collect();
            let wrong = |source| WorkflowError::Job { name: node.name.clone(), source };
            write_dependencies(job, on, node.when).map_err(wrong)?;
        }
        let waited_for: HashSet<usize> = jobs.iter().flat_map(|job| job.after.clone()).collect();
        for index in waited_for {
            if self.jobs[index].record_ttl.is_zero() {
                let ManifestJob { name, key, .. } = jobs[index].clone();
                let source = EnqueueError::RecordlessDependency(key);
                return Err(WorkflowError::Job { name, source });
            }
        }
        self.assign_nonces();
        Ok(())
    }
}

/// The jobs outside of the workflow that this job waits for.
fn outside(depends: DependencySpec, job: &Envelope) -> Result<Vec<JobKey>, EnqueueError> {
    depends.on.into_iter().map(|named| Ok(named?.in_queue(&job.queue))).collect()
}
