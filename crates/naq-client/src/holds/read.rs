//! [`Client::holds`]: reads what holds jobs.

use naq_core::clock::Timestamp;
use naq_core::flow::TaskPause;
use naq_core::flow::breaker::{BreakerEntry, Phase};
use naq_core::names::QueueName;
use naq_core::transport::{
    JobSummary, JobsPage, JobsQuery, Place, QueueInfo, SCAN, TransportError, WorkerInfo,
};

use super::{Hold, HoldFacts, find_holds, hold_of, idle_breakers};
use crate::{Client, ClientError, JobReport};

/// What all queues share, read once.
#[derive(Debug)]
struct SharedFacts {
    workers: Vec<WorkerInfo>,
    breakers: Vec<BreakerEntry>,
    pauses: Vec<TaskPause>,
}

impl Client {
    /// What holds the jobs of this queue, the most urgent first. Reads at most
    /// [`SCAN`] waiting jobs, the newest.
    ///
    /// ```no_run
    /// # async fn f(client: naq_client::Client) -> Result<(), naq_client::ClientError> {
    /// for hold in client.holds(&"mail".parse().expect("a name")).await? {
    ///     println!("{} jobs: {hold}", hold.jobs_text());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ClientError::Transport`]. A queue that does not exist holds no job.
    pub async fn holds(&self, queue: &QueueName) -> Result<Vec<Hold>, ClientError> {
        let Some(info) = self.transport.queue_info(queue).await? else { return Ok(Vec::new()) };
        let shared = self.shared_facts().await?;
        self.holds_of_queue(&info, &shared).await
    }

    /// What holds jobs in any queue, the most urgent first, and each breaker that is not closed. Reads
    /// at most [`SCAN`] waiting jobs of each queue.
    ///
    /// # Errors
    /// [`ClientError::Transport`].
    pub async fn all_holds(&self) -> Result<Vec<Hold>, ClientError> {
        let shared = self.shared_facts().await?;
        let mut holds = Vec::new();
        for queue in self.queues().await? {
            holds.extend(self.holds_of_queue(&queue, &shared).await?);
        }
        holds.extend(idle_breakers(&shared.breakers, &holds, self.now()));
        holds.sort_by_key(|hold| hold.cause);
        Ok(holds)
    }

    /// What holds this job, or will hold it when it is due. `None` if nothing does, and for a job that
    /// runs or has ended. The hold counts this job only.
    ///
    /// # Errors
    /// [`ClientError::Transport`].
    pub async fn hold_of(&self, job: &JobReport) -> Result<Option<Hold>, ClientError> {
        let summary = [JobSummary::of(&job.stored)];
        if job.state.is_final() {
            return Ok(None);
        }
        let info = self.transport.queue_info(&job.key.queue).await?;
        let Some(info) = info else { return Ok(None) };
        let shared = self.shared_facts().await?;
        let mut holds = find_holds(&shared.with(&info, &summary, false, self.now()));
        holds.extend(idle_breakers(&shared.breakers, &holds, self.now()));
        let [summary] = summary;
        Ok(hold_of(&summary, &holds).cloned())
    }

    async fn shared_facts(&self) -> Result<SharedFacts, TransportError> {
        let now = self.now();
        let is_open = |entry: &BreakerEntry| !matches!(entry.now(now).phase, Phase::Closed { .. });
        let mut breakers = self.breakers().await?;
        breakers.retain(is_open);
        let (workers, pauses) = (self.list_workers().await?, self.paused_tasks().await?);
        Ok(SharedFacts { workers, breakers, pauses })
    }

    async fn holds_of_queue(
        &self,
        info: &QueueInfo,
        shared: &SharedFacts,
    ) -> Result<Vec<Hold>, ClientError> {
        let page = self.newest_waiting(info).await?;
        let facts = shared.with(info, &page.jobs, page.next.is_some(), self.now());
        Ok(find_holds(&facts))
    }

    /// The newest waiting jobs of the queue. A held job is stored again at each check, so it is among
    /// them.
    async fn newest_waiting(&self, info: &QueueInfo) -> Result<JobsPage, ClientError> {
        if info.waiting == 0 {
            return Ok(JobsPage::default());
        }
        let queue = Some(info.name.clone());
        self.jobs(&JobsQuery { queue, limit: SCAN, ..JobsQuery::at(Place::Schedule) }).await
    }
}

impl SharedFacts {
    fn with<'a>(
        &'a self,
        queue: &'a QueueInfo,
        waiting: &'a [JobSummary],
        has_more: bool,
        now: Timestamp,
    ) -> HoldFacts<'a> {
        let Self { workers, breakers, pauses } = self;
        HoldFacts { queue, workers, breakers, pauses, waiting, has_more, now }
    }
}
