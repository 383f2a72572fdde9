//! [`BatchTask`]: a batch handler on its way into a registry.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq_core::{IntoFailure, Job};

use super::super::async_result::AsyncResult;
use super::super::handler_fn::Handler;
use super::super::task_table::RegisteredTask;
use super::super::{Registry, TaskOptions};
use super::collector::{BatchBounds, Collector};
use super::job_batch::JobBatch;

/// A batch handler on its way into a registry: [`add`](Self::add) returns the registry.
#[must_use = "the handler is registered by `add`"]
pub struct BatchTask<S> {
    registry: Registry<S>,
    name: &'static str,
    bounds: BatchBounds,
    options: TaskOptions,
    /// Waits for its bounds.
    handler: Box<dyn FnOnce(S, BatchBounds) -> Handler>,
}

impl<S: Clone + Send + Sync + 'static> Registry<S> {
    /// Adds an async handler that takes many jobs of type `J` in one call, and answers each of them by
    /// itself: for work that costs little more for a hundred than for one, such as rows of a database.
    ///
    /// Each job keeps what it has without a batch: its slot, its lease, its timeout, its attempt, its
    /// history and its policy. So a batch is not larger than the worker's
    /// [`concurrency`](crate::WorkerBuilder::concurrency), and the timeout of a job includes its wait
    /// for the batch. A job that is cancelled or times out leaves, and its answer is not used; when
    /// all have left, the handler's future is dropped. A panic fails all jobs that have no answer yet.
    /// A job with crashes runs in a batch of its own.
    ///
    /// ```
    /// # use naq_core::{Failure, Job};
    /// # use naq_worker::Registry;
    /// # use std::time::Duration;
    /// use naq_worker::JobBatch;
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct ImportRow { line: String }
    /// # impl Job for ImportRow {
    /// #     const NAME: &'static str = "row.import";
    /// #     type Output = u32;
    /// # }
    ///
    /// async fn import(batch: JobBatch<ImportRow>) -> Result<(), Failure> {
    ///     // One insert for all rows would be here. Its error is the failure of all jobs.
    ///     for job in batch {
    ///         match job.args().line.parse::<u32>() {
    ///             Ok(row) => job.complete(row),
    ///             Err(err) => job.fail(Failure::from(err).with_kind("ValueError").fatal()),
    ///         }
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let wait = Duration::from_millis(200);
    /// let registry = Registry::new().batch(import).max_jobs(100).max_wait(wait).add();
    /// assert_eq!(registry.task_names().count(), 1);
    /// ```
    pub fn batch<J, F, Fut, E>(self, handler: F) -> BatchTask<S>
    where
        J: Job,
        F: Fn(JobBatch<J, S>) -> Fut + Send + Sync + 'static,
        Fut: AsyncResult<(), E> + Send + 'static,
        E: IntoFailure + 'static,
    {
        let handler = move |state, bounds| -> Handler {
            let handler = Arc::new(handler);
            let collector = Arc::new(Collector {
                bounds,
                state,
                handler: Box::new(move |batch| {
                    let handler = handler.clone();
                    Box::pin(async move { handler(batch).await.map_err(E::into_failure) })
                }),
                waiting: Mutex::default(),
            });
            Arc::new(move |cx| Box::pin(collector.clone().run_job(cx)))
        };
        BatchTask {
            registry: self.queue_of::<J>(),
            name: J::NAME,
            bounds: BatchBounds { max_jobs: 100, max_wait: Duration::from_millis(100) },
            options: TaskOptions::new(),
            handler: Box::new(handler),
        }
    }
}

impl<S: Clone + Send + Sync + 'static> BatchTask<S> {
    /// The largest number of jobs in one call: 100 by default. A batch of that many starts at once; so
    /// does one that has as many jobs as the worker has slots.
    ///
    /// # Panics
    /// When it is zero.
    pub fn max_jobs(mut self, jobs: usize) -> Self {
        assert!(jobs > 0, "max_jobs is zero: a batch has at least one job");
        self.bounds.max_jobs = jobs;
        self
    }

    /// How long the first job of a batch waits for others: 100 ms by default. Zero: not at all, and a
    /// batch has the jobs that start at the same moment.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.bounds.max_wait = wait;
        self
    }

    /// Hooks, follow-up, breaker and retry budget of the task. None by default.
    pub fn options(mut self, options: TaskOptions) -> Self {
        self.options = options;
        self
    }

    /// The registry with the handler in it.
    ///
    /// # Panics
    /// When the task has a handler already, or its name is not a valid task name.
    #[must_use]
    pub fn add(self) -> Registry<S> {
        let handler = (self.handler)(self.registry.state().clone(), self.bounds);
        let options = self.options;
        let task = RegisteredTask { handler, fallback: None, options, blocks: false };
        self.registry.insert_task(self.name, task)
    }
}

impl<S> fmt::Debug for BatchTask<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, bounds, .. } = self;
        f.debug_struct("BatchTask")
            .field("name", name)
            .field("bounds", bounds)
            .finish_non_exhaustive()
    }
}
