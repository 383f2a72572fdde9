//! [`TaskOptions`]: hooks, follow-up, breaker and retry budget of one task.

use std::future::Future;

use naq_core::flow::{FollowUp, RetryBudget};

use super::events::{Exhausted, Recovered, Retrying};
use super::hooks::Hooks;

/// Hooks, follow-up, breaker and retry budget of one task. None by default.
///
/// ```
/// # use naq_core::{Failure, Job};
/// # use naq_worker::{Context, Registry};
/// use naq_worker::TaskOptions;
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Charge;
/// # impl Job for Charge {
/// #     const NAME: &'static str = "charge";
/// #     type Output = ();
/// # }
/// # async fn charge(_: Charge, cx: Context) -> Result<(), Failure> { Ok(()) }
///
/// let options = TaskOptions::new().on_exhausted(|dead| async move { eprintln!("{dead}") });
/// let registry = Registry::new().task_with(charge, options);
/// ```
#[must_use = "options take effect where the task is registered"]
#[derive(Debug, Clone, Default)]
pub struct TaskOptions {
    pub(crate) hooks: Hooks,
    pub(crate) breaker: Option<String>,
    pub(crate) retry_budget: Option<RetryBudget>,
    pub(crate) follow_up: Option<FollowUp>,
}

impl TaskOptions {
    /// Options with nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`Registry::on_retry`](crate::Registry::on_retry), for this task.
    pub fn on_retry<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Retrying) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.on_retry(hook);
        self
    }

    /// As [`Registry::on_success_after_retry`](crate::Registry::on_success_after_retry), for this
    /// task.
    pub fn on_success_after_retry<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Recovered) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.on_success_after_retry(hook);
        self
    }

    /// The follow-up: a job that is enqueued once when a job of this task dies. The follow-up that
    /// a job names itself ([`Enqueue::on_exhausted_job`](naq_client::Enqueue::on_exhausted_job))
    /// comes first.
    ///
    /// # Panics
    /// When it is a text that is not a valid task name.
    pub fn on_exhausted_job(mut self, follow_up: impl Into<FollowUp>) -> Self {
        self.follow_up = Some(follow_up.into());
        self
    }

    /// As [`Registry::on_exhausted`](crate::Registry::on_exhausted), for this task.
    pub fn on_exhausted<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Exhausted) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.on_exhausted(hook);
        self
    }

    /// Runs the task's jobs under the breaker `key`, which
    /// [`Registry::breaker`](crate::Registry::breaker) adds for a dependency of the task. While the
    /// breaker is open the jobs wait, and no attempt is counted. By default a task runs only under
    /// a breaker of its own name, if there is one.
    pub fn breaker(mut self, key: impl Into<String>) -> Self {
        self.breaker = Some(key.into());
        self
    }

    /// Limits how many retries of this task start, over all workers. The others wait. No limit by
    /// default.
    ///
    /// ```
    /// # use naq_worker::TaskOptions;
    /// use naq_core::flow::RetryBudget;
    ///
    /// // One retry for five first attempts, and one more each second.
    /// let options = TaskOptions::new().retry_budget(RetryBudget::new(0.2, 1.0));
    /// ```
    pub fn retry_budget(mut self, budget: RetryBudget) -> Self {
        self.retry_budget = Some(budget);
        self
    }
}
