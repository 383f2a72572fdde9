//! [`TaskOptions`]: what a task has beside its handler.

use std::future::Future;

use naq_core::flow::{FollowUp, RetryBudget};

use crate::events::{Exhausted, Recovered, Retrying};
use crate::hooks::Hooks;

/// What a task has beside its handler; nothing by default.
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
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`Registry::on_retry`](crate::Registry::on_retry), for this task.
    pub fn on_retry<F, Fut>(mut self, tell: F) -> Self
    where
        F: Fn(Retrying) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.on_retry(tell);
        self
    }

    /// As [`Registry::on_success_after_retry`](crate::Registry::on_success_after_retry), for this
    /// task.
    pub fn on_success_after_retry<F, Fut>(mut self, tell: F) -> Self
    where
        F: Fn(Recovered) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.on_success_after_retry(tell);
        self
    }

    /// The job that is enqueued when one of this task dies here, before its dead letter is
    /// acknowledged: exactly one. What a job says itself
    /// ([`Enqueue::on_exhausted_job`](naq_client::Enqueue::on_exhausted_job)) comes first.
    ///
    /// # Panics
    /// When it is a text that is no task name.
    pub fn on_exhausted_job(mut self, follow_up: impl Into<FollowUp>) -> Self {
        self.follow_up = Some(follow_up.into());
        self
    }

    /// As [`Registry::on_exhausted`](crate::Registry::on_exhausted), for this task.
    pub fn on_exhausted<F, Fut>(mut self, tell: F) -> Self
    where
        F: Fn(Exhausted) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.on_exhausted(tell);
        self
    }

    /// Runs under the breaker `key`, which [`Registry::breaker`](crate::Registry::breaker) adds:
    /// the dependency that the task needs. While it is open the task's jobs wait, with their
    /// attempts untouched. None by default, but for a breaker of the task's own name.
    pub fn breaker(mut self, key: impl Into<String>) -> Self {
        self.breaker = Some(key.into());
        self
    }

    /// Bounds how many retries of this task start, over all workers; those beyond it wait. No bound
    /// by default.
    ///
    /// ```
    /// # use naq_worker::TaskOptions;
    /// use naq_core::flow::RetryBudget;
    ///
    /// // One retry for five first attempts, and one a second beside.
    /// let options = TaskOptions::new().retry_budget(RetryBudget::new(0.2, 1.0));
    /// ```
    pub fn retry_budget(mut self, budget: RetryBudget) -> Self {
        self.retry_budget = Some(budget);
        self
    }
}
