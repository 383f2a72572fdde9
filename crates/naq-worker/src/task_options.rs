//! [`TaskOptions`]: what a task has beside its handler.

use std::future::Future;

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

    /// As [`Registry::on_exhausted`](crate::Registry::on_exhausted), for this task.
    pub fn on_exhausted<F, Fut>(mut self, tell: F) -> Self
    where
        F: Fn(Exhausted) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.on_exhausted(tell);
        self
    }
}
