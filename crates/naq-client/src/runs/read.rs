//! [`Client::runs`]: reads the lists of the attempts that workers run.

use naq_core::flow::RunList;
use naq_core::state::JobState;
use naq_core::transport::TransportError;

use super::{Run, Runs};
use crate::{Client, ClientError, JobReport};

/// Lists in one request.
const PAGE: usize = 500;

impl Client {
    /// The attempts that workers run now, as the workers say: which worker, since when. Each worker
    /// says it every second while it runs jobs, so an attempt of less than a second may be missing.
    /// Reads the list of every worker.
    ///
    /// ```no_run
    /// # async fn f(client: naq_client::Client) -> Result<(), naq_core::transport::TransportError> {
    /// for run in client.runs().await?.all() {
    ///     println!("{} on {} since {:?}", run.job, run.worker, run.started_at);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn runs(&self) -> Result<Runs, TransportError> {
        let prefix = RunList::prefix().unwrap_or_else(|err| unreachable!("a constant key: {err}"));
        let mut lists = Vec::new();
        let mut from = Some(0);
        while let Some(revision) = from {
            let page = self.transport.state_list(&prefix, revision, PAGE).await?;
            let read = |entry| RunList::read(&entry).map(|list| (list, entry.stored_at));
            lists.extend(page.entries.into_iter().filter_map(read));
            from = page.next;
        }
        Ok(Runs::of(&lists, self.now()))
    }

    /// The attempt of this job that a worker runs now. `None` if the job does not run: it waits, or
    /// waits in a worker for a slot. Its progress is in the report.
    ///
    /// # Errors
    /// [`ClientError::Transport`].
    pub async fn run_of(&self, job: &JobReport) -> Result<Option<Run>, ClientError> {
        if job.state != JobState::Running {
            return Ok(None);
        }
        let nonce = job.stored.step().nonce;
        Ok(self.runs().await?.of_life(&job.key, &nonce).cloned())
    }

    /// Adds the progress that handlers report to the first `limit` runs that `which` accepts. One
    /// request reads all of them.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn add_progress(
        &self,
        runs: &mut Runs,
        limit: usize,
        which: impl Fn(&Run) -> bool,
    ) -> Result<(), TransportError> {
        let mut chosen: Vec<&mut Run> =
            runs.all_mut().iter_mut().filter(|run| which(run)).take(limit).collect();
        if chosen.is_empty() {
            return Ok(());
        }
        let keys: Vec<_> = chosen.iter().map(|run| run.progress_key()).collect();
        let found = self.transport.state_get(&keys).await?;
        for (run, entry) in chosen.iter_mut().zip(found) {
            let progress = entry.and_then(|entry| serde_json::from_slice(&entry.value).ok());
            run.progress = progress;
        }
        Ok(())
    }
}
