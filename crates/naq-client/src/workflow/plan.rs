//! From a [`Workflow`] to the jobs that are stored: checked, named, tied to each other. No I/O.

use std::collections::HashSet;

use naq_core::flow::{Graph, GraphError};
use naq_core::names::JobId;
use naq_core::transport::JobKey;
use naq_core::wire::{Envelope, Nonce};

use crate::depends::{self, Wish};
use crate::workflow::manifest::{Manifest, ManifestJob};
use crate::workflow::{Workflow, WorkflowError};
use crate::{Client, EnqueueError};

/// A workflow whose jobs are ready to be sent.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) manifest: Manifest,
    /// In the order of the manifest.
    pub(super) jobs: Vec<Envelope>,
}

impl Plan {
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
        for (place, mut node) in jobs.into_iter().enumerate() {
            node.job.wish.after_failure |= after_failure.contains(&node.name);
            node.job.wish.partial |= partial.contains(&node.name);
            let wrong = |source| WorkflowError::Job { name: node.name.clone(), source };
            let mut job = (node.job.write)(client).map_err(wrong)?;
            if !node.job.named {
                job.id = JobId::new(format!("{}-{}", manifest.id, node.name))?;
            }
            job.workflow = Some(manifest.id.clone());
            let when = node.job.wish.when();
            let outside = outside(node.job.wish, &job).map_err(wrong)?;
            manifest.jobs.push(ManifestJob {
                name: node.name,
                key: JobKey { queue: job.queue.clone(), id: job.id.clone() },
                task: job.task.clone(),
                after: graph.before(place).to_vec(),
                outside,
                when,
                depth: graph.depth(place),
            });
            envelopes.push(job);
        }
        let mut plan = Self { manifest, jobs: envelopes };
        plan.check_keys()?;
        plan.tie()?;
        Ok(plan)
    }

    /// Names the lives of the jobs after the run in the manifest.
    pub(super) fn name_lives(&mut self) {
        for (place, job) in self.jobs.iter_mut().enumerate() {
            job.nonce = self.manifest.life(place);
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

    /// Writes into each job which ones it waits for.
    fn tie(&mut self) -> Result<(), WorkflowError> {
        let jobs = &self.manifest.jobs;
        for (node, job) in jobs.iter().zip(&mut self.jobs) {
            let inside = node.after.iter().map(|before| jobs[*before].key.clone());
            let on = inside.chain(node.outside.iter().cloned()).collect();
            let wrong = |source| WorkflowError::Job { name: node.name.clone(), source };
            depends::write(job, on, node.when).map_err(wrong)?;
        }
        let waited_for: HashSet<usize> = jobs.iter().flat_map(|job| job.after.clone()).collect();
        for place in waited_for {
            if self.jobs[place].record_ttl.is_zero() {
                let ManifestJob { name, key, .. } = jobs[place].clone();
                let source = EnqueueError::RecordlessDependency(key);
                return Err(WorkflowError::Job { name, source });
            }
        }
        self.name_lives();
        Ok(())
    }
}

fn outside(wish: Wish, job: &Envelope) -> Result<Vec<JobKey>, EnqueueError> {
    wish.on.into_iter().map(|named| Ok(named?.in_queue(&job.queue))).collect()
}
