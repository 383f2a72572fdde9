//! Options: limits that the job shares with others, across all workers.

use std::time::Duration;

use naq_core::flow::Limit;

use crate::enqueue::Enqueue;

impl<O> Enqueue<'_, O> {
    /// At most `jobs` jobs with this key run at once, over all queues and workers. A job that has
    /// to wait takes no slot of a worker and uses up no attempt. Jobs of one key start in about the
    /// order of their arrival. A job may have several keys; for each key the last limit counts.
    ///
    /// ```no_run
    /// # async fn f(client: naq_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// client.enqueue_task("report", &7)?.concurrency_key("tenant:7", 3).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn concurrency_key(self, key: impl Into<String>, jobs: u32) -> Self {
        self.limit(Limit::concurrency(key, jobs))
    }

    /// At most `count` attempts of jobs with this key start in each `per`, evenly spaced, over all
    /// queues and workers; retries count. A job that has to wait gets its start time at once, and
    /// waits until then. See [`Rate`](naq_core::flow::Rate) for bursts.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # async fn f(client: naq_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let minute = Duration::from_secs(60);
    /// client.enqueue_task("api.call", &7)?.rate_limit("api", 100, minute).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn rate_limit(self, key: impl Into<String>, count: u32, per: Duration) -> Self {
        self.limit(Limit::rate(key, count, per))
    }

    /// Adds a limit of any kind.
    pub fn limit(mut self, limit: Limit) -> Self {
        limit.add_to(&mut self.limits);
        self
    }
}
