//! Purge: remove jobs that have not ended, and leave no record of them.

use naq_core::names::{JobKey, QueueName, TaskName};
use naq_core::transport::{Expect, JobsQuery, Place, TransportError};
use naq_core::wire::Envelope;

use crate::join_bounded::join_bounded;
use crate::{Checkpoint, Client, ClientError};

/// How many jobs of a task are read and removed at once.
const PAGE: usize = 1_000;

impl Client {
    /// Removes a pending, running or waiting job for good. No record of it stays; to end it with one, use
    /// [`cancel`](Self::cancel). A handler that runs goes on, and may end the job. A worker that has the job in
    /// hand and has not started it learns of the purge before it starts jobs over a connection or a consumer that
    /// changed; otherwise it may start the job until its lease ends. False if there was no such job.
    ///
    /// # Errors
    /// [`TransportError`]. The job may then be removed; call again.
    pub async fn purge_job(&self, key: &JobKey) -> Result<bool, TransportError> {
        let mut job = None;
        let mut removed = false;
        // Until none is left: a schedule may become due meanwhile.
        loop {
            let mut messages = self.transport.locate(key).await?;
            messages.retain(|it| waits(it.place));
            if messages.is_empty() {
                break;
            }
            // First, so that a purge that crashes leaves no job that a worker still starts.
            self.transport.note_purge(key).await?;
            for message in &messages {
                removed |= self.transport.remove(message).await?;
            }
            job = messages.iter().find_map(|message| message.envelope().ok()).or(job);
        }
        if let Some(job) = job.filter(|_| removed) {
            self.forget_job(key, &job).await;
        }
        Ok(removed)
    }

    /// [Purges](Self::purge_job) the pending, running and waiting jobs of one task, and returns how many.
    ///
    /// # Errors
    /// [`ClientError`]. Some jobs may be removed then; call again.
    pub async fn purge_task(&self, queue: &QueueName, task: &TaskName) -> Result<u64, ClientError> {
        let mut purged = 0;
        // Waiting jobs first: one that becomes due meanwhile is found in the queue.
        for place in [Place::Schedule, Place::Queue] {
            let mut query = jobs_of(place, queue, task);
            loop {
                let page = self.jobs(&query).await?;
                let keys: Vec<JobKey> = page.jobs.into_iter().map(|job| job.key).collect();
                let purges = keys.iter().map(|key| self.purge_job(key));
                for done in join_bounded(purges).await {
                    purged += u64::from(done?);
                }
                let Some(next) = page.next else { break };
                query.cursor = Some(next);
            }
        }
        Ok(purged)
    }

    /// How many pending, running and waiting jobs of one task the queue has: what
    /// [`purge_task`](Self::purge_task) would remove. It reads all jobs of the queue.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn count_task(&self, queue: &QueueName, task: &TaskName) -> Result<u64, ClientError> {
        let mut found = 0;
        for place in [Place::Schedule, Place::Queue] {
            let mut query = jobs_of(place, queue, task);
            loop {
                let page = self.jobs(&query).await?;
                found += page.jobs.len() as u64;
                let Some(next) = page.next else { break };
                query.cursor = Some(next);
            }
        }
        Ok(found)
    }

    /// Removes what only this job needed: its unique key, its large arguments, its dependencies and its
    /// checkpoint. Best effort: each of them expires, or the next job or a worker removes it.
    pub(super) async fn forget_job(&self, key: &JobKey, job: &Envelope) {
        let _ = self.free_unique(job).await;
        let _ = self.remove_args(key, job).await;
        let _ = self.forget_dependencies(job).await;
        // A handler that runs now removes its own.
        if Checkpoint::may_be_of(job) {
            let key = Checkpoint::key_of(job);
            let _ = self.transport.state_remove(&key, Expect::Any).await;
        }
    }
}

fn jobs_of(place: Place, queue: &QueueName, task: &TaskName) -> JobsQuery {
    let (queue, task) = (Some(queue.clone()), Some(task.clone()));
    JobsQuery { queue, task, limit: PAGE, ..JobsQuery::at(place) }
}

fn waits(place: Place) -> bool {
    matches!(place, Place::Queue | Place::Schedule)
}
