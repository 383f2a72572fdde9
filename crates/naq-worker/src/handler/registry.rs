//! [`Registry`]: the handler of each task.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;

use naq_core::flow::breaker::{BreakerConfig, BreakerEntry};
use naq_core::{IntoFailure, Job, JobError, QueueName, TaskName};
use serde::Serialize;

use super::async_result::AsyncResult;
use super::classify::{Class, Classifiers};
use super::events::{Exhausted, Recovered, Retrying};
use super::handler_fn::{self, Handler, RawArgs};
use super::hooks::Hooks;
use super::layer::{AttemptLayer, Layers};
use super::task_table::{RegisteredTask, TaskTable};
use super::{Context, TaskOptions};

/// The handlers of a worker, and the state that they share.
///
/// ```
/// use naq_core::{Failure, Job};
/// use naq_worker::{Context, Registry};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct SendEmail {
///     to: String,
/// }
///
/// impl Job for SendEmail {
///     const NAME: &'static str = "email.send";
///     type Output = ();
/// }
///
/// #[derive(Clone)]
/// struct App {
///     from: String,
/// }
///
/// async fn send_email(job: SendEmail, cx: Context<App>) -> Result<(), Failure> {
///     println!("{cx}: from {} to {}", cx.state().from, job.to);
///     Ok(())
/// }
///
/// let registry = Registry::with_state(App { from: "me".into() }).task(send_email);
/// assert_eq!(registry.task_names().count(), 1);
/// ```
///
/// A handler takes the state type of the registry. Another type does not compile:
///
/// ```compile_fail
/// # use naq_core::{Failure, Job};
/// # use naq_worker::{Context, Registry};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct SendEmail;
/// # impl Job for SendEmail {
/// #     const NAME: &'static str = "email.send";
/// #     type Output = ();
/// # }
/// async fn send_email(_: SendEmail, cx: Context<String>) -> Result<(), Failure> {
///     Ok(())
/// }
/// let registry = Registry::with_state(7_u32).task(send_email);
/// ```
#[derive(Clone)]
pub struct Registry<S = ()> {
    state: S,
    tasks: BTreeMap<TaskName, RegisteredTask>,
    queues: BTreeSet<QueueName>,
    classifiers: Classifiers,
    hooks: Hooks,
    layers: Layers,
    breakers: BTreeMap<String, BreakerConfig>,
}

impl Registry {
    /// A registry without handlers and without state.
    pub fn new() -> Self {
        Self::with_state(())
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Clone + Send + Sync + 'static> Registry<S> {
    /// A registry without handlers. Each handler finds a clone of `state` in its [`Context`].
    pub fn with_state(state: S) -> Self {
        Self {
            state,
            tasks: BTreeMap::new(),
            queues: BTreeSet::new(),
            classifiers: Classifiers::default(),
            hooks: Hooks::default(),
            layers: Layers::default(),
            breakers: BTreeMap::new(),
        }
    }

    /// Adds an async handler for the jobs of type `J`.
    ///
    /// # Panics
    /// When the task has a handler already, or `J::NAME` is not a valid task name.
    #[must_use]
    pub fn task<J, F, Fut, E>(self, handler: F) -> Self
    where
        J: Job,
        F: Fn(J, Context<S>) -> Fut + Send + Sync + 'static,
        Fut: AsyncResult<J::Output, E> + Send + 'static,
        E: IntoFailure + 'static,
    {
        self.task_with(handler, TaskOptions::new())
    }

    /// [`task`](Self::task) with options.
    ///
    /// # Panics
    /// As `task`.
    #[must_use]
    pub fn task_with<J, F, Fut, E>(self, handler: F, options: TaskOptions) -> Self
    where
        J: Job,
        F: Fn(J, Context<S>) -> Fut + Send + Sync + 'static,
        Fut: AsyncResult<J::Output, E> + Send + 'static,
        E: IntoFailure + 'static,
    {
        let handler =
            handler_fn::asynchronous(self.state.clone(), handler_fn::decode_args::<J>, handler);
        self.queue_of::<J>().insert(J::NAME, handler, options)
    }

    /// Adds a handler that blocks, for the jobs of type `J`. It runs on a thread of its own.
    ///
    /// A thread cannot be stopped from outside: after a timeout or a cancellation the attempt is
    /// over, but the function runs until it returns. Check [`Context::is_cancelled`] in it.
    ///
    /// # Panics
    /// When the task has a handler already, or `J::NAME` is not a valid task name.
    #[must_use]
    pub fn blocking<J, F, E>(self, handler: F) -> Self
    where
        J: Job,
        F: Fn(J, Context<S>) -> Result<J::Output, E> + Send + Sync + 'static,
        E: IntoFailure + 'static,
    {
        self.blocking_with(handler, TaskOptions::new())
    }

    /// [`blocking`](Self::blocking) with options.
    ///
    /// # Panics
    /// As `blocking`.
    #[must_use]
    pub fn blocking_with<J, F, E>(self, handler: F, options: TaskOptions) -> Self
    where
        J: Job,
        F: Fn(J, Context<S>) -> Result<J::Output, E> + Send + Sync + 'static,
        E: IntoFailure + 'static,
    {
        let handler =
            handler_fn::blocking(self.state.clone(), handler_fn::decode_args::<J>, handler);
        let task = RegisteredTask { handler, fallback: None, options, blocks: true };
        self.queue_of::<J>().insert_task(J::NAME, task)
    }

    /// Adds an async handler by the task's name. Its arguments are a [`naq_core::Payload`] or a
    /// [`serde_json::Value`].
    ///
    /// # Panics
    /// When the task has a handler already, or `name` is not a valid task name.
    #[must_use]
    pub fn raw<A, R, F, Fut, E>(self, name: &str, handler: F) -> Self
    where
        A: RawArgs,
        R: Serialize + 'static,
        F: Fn(A, Context<S>) -> Fut + Send + Sync + 'static,
        Fut: AsyncResult<R, E> + Send + 'static,
        E: IntoFailure + 'static,
    {
        self.raw_with(name, handler, TaskOptions::new())
    }

    /// [`raw`](Self::raw) with options.
    ///
    /// # Panics
    /// As `raw`.
    #[must_use]
    pub fn raw_with<A, R, F, Fut, E>(self, name: &str, handler: F, options: TaskOptions) -> Self
    where
        A: RawArgs,
        R: Serialize + 'static,
        F: Fn(A, Context<S>) -> Fut + Send + Sync + 'static,
        Fut: AsyncResult<R, E> + Send + 'static,
        E: IntoFailure + 'static,
    {
        let handler = handler_fn::asynchronous(self.state.clone(), A::from_payload, handler);
        self.insert(name, handler, options)
    }

    /// Adds a fallback for the jobs of type `J`. It runs when a failure of the handler would make
    /// the job dead: in the same slot, with the same arguments and timeout. It finds the failure in
    /// [`Context::last_error`]. If it succeeds, the job is completed with its result. If it fails
    /// too, the job is dead with the handler's error.
    ///
    /// It does not run when the handler cancels the job, or when the job dies without its handler:
    /// as poison, as undecodable, or for an unknown task.
    ///
    /// ```
    /// # use naq_core::{ErrorKind, Failure, Job};
    /// # use naq_worker::{Context, Registry};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Rate { currency: String }
    /// # impl Job for Rate {
    /// #     const NAME: &'static str = "rate";
    /// #     type Output = f64;
    /// # }
    /// async fn ask_the_bank(job: Rate, cx: Context) -> Result<f64, Failure> {
    ///     Err(Failure::new(ErrorKind::CONNECTION, "no route to the bank"))
    /// }
    /// async fn yesterdays_rate(job: Rate, cx: Context) -> Result<f64, Failure> {
    ///     Ok(1.08)
    /// }
    ///
    /// let registry = Registry::new().task(ask_the_bank).fallback(yesterdays_rate);
    /// ```
    ///
    /// # Panics
    /// When the task has no handler yet, or has a fallback already.
    #[must_use]
    pub fn fallback<J, F, Fut, E>(self, fallback: F) -> Self
    where
        J: Job,
        F: Fn(J, Context<S>) -> Fut + Send + Sync + 'static,
        Fut: AsyncResult<J::Output, E> + Send + 'static,
        E: IntoFailure + 'static,
    {
        let fallback =
            handler_fn::asynchronous(self.state.clone(), handler_fn::decode_args::<J>, fallback);
        self.insert_fallback(J::NAME, fallback)
    }

    /// [`fallback`](Self::fallback) for a task that is registered by name.
    ///
    /// # Panics
    /// As [`fallback`](Self::fallback).
    #[must_use]
    pub fn raw_fallback<A, R, F, Fut, E>(self, name: &str, fallback: F) -> Self
    where
        A: RawArgs,
        R: Serialize + 'static,
        F: Fn(A, Context<S>) -> Fut + Send + Sync + 'static,
        Fut: AsyncResult<R, E> + Send + 'static,
        E: IntoFailure + 'static,
    {
        let fallback = handler_fn::asynchronous(self.state.clone(), A::from_payload, fallback);
        self.insert_fallback(name, fallback)
    }

    /// Classifies failures that an error of type `E` caused: they get that error's kind and advice.
    /// So a handler may return [`Failure`](naq_core::Failure) and use `?`. A kind that the handler
    /// sets itself stays.
    #[must_use]
    pub fn classify<E: JobError>(mut self) -> Self {
        self.classifiers.add_type::<E>();
        self
    }

    /// [`classify`](Self::classify) for an error type of another crate: `class` returns its kind,
    /// or kind and advice.
    ///
    /// ```
    /// # use naq_core::ErrorKind;
    /// # use naq_worker::Registry;
    /// let registry = Registry::new()
    ///     .classify_with(|_: &std::net::AddrParseError| ErrorKind::VALUE)
    ///     .classify_with(|_: &std::fmt::Error| "FormatError");
    /// ```
    #[must_use]
    pub fn classify_with<E, C, F>(mut self, class: F) -> Self
    where
        E: std::error::Error + 'static,
        C: Into<Class>,
        F: Fn(&E) -> C + Send + Sync + 'static,
    {
        self.classifiers.add(class);
        self
    }

    /// Adds a circuit breaker: for the task of that name, or for a dependency that tasks name in
    /// their options. Its state is shared by all workers of a broker: when too many calls fail, no
    /// worker starts jobs under it. The jobs wait, and no attempt is counted.
    ///
    /// ```
    /// # use naq_core::{Failure, Job};
    /// # use naq_worker::{Context, Registry, TaskOptions};
    /// use naq_core::flow::breaker::BreakerConfig;
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Charge;
    /// # impl Job for Charge {
    /// #     const NAME: &'static str = "charge";
    /// #     type Output = ();
    /// # }
    /// # async fn charge(_: Charge, cx: Context) -> Result<(), Failure> { Ok(()) }
    ///
    /// let registry = Registry::new()
    ///     .breaker("stripe", BreakerConfig::default())
    ///     .task_with(charge, TaskOptions::new().breaker("stripe"));
    /// ```
    ///
    /// # Panics
    /// When the breaker exists already, or `key` is empty or too long. Building a worker panics
    /// when a task names a breaker that the registry lacks.
    #[must_use]
    pub fn breaker(mut self, key: impl Into<String>, config: BreakerConfig) -> Self {
        let key = key.into();
        if let Err(err) = BreakerEntry::state_key(&key) {
            panic!("the breaker {key:?}: {err}");
        }
        assert!(!self.breakers.contains_key(&key), "breaker {key:?} is registered already");
        self.breakers.insert(key, config);
        self
    }

    /// Puts code around every attempt of every task, whether the task was added before or is added
    /// later. The first layer is the outermost one: it starts first and ends last. A job that has a
    /// fallback passes the layers once more, around the fallback.
    ///
    /// Layers run in the job's slot, under its timeout. Around a blocking handler they run outside of its
    /// thread. They do not run for a job that ends without its handler: as expired, as poison, or for
    /// an unknown task.
    ///
    /// ```
    /// # use naq_core::Failure;
    /// # use naq_worker::{Context, Next, Registry};
    /// #[derive(Clone)]
    /// struct Tenant(String);
    /// tokio::task_local! { static TENANT: Tenant; }
    ///
    /// // The tenant that the tag `tenant:acme` names, for all code that the handler calls.
    /// let registry = Registry::new().layer(|cx: Context, next: Next| async move {
    ///     let tenant = cx.tags().iter().find_map(|tag| tag.strip_prefix("tenant:"));
    ///     let Some(tenant) = tenant else { return next.run().await };
    ///     TENANT.scope(Tenant(tenant.to_owned()), next.run()).await
    /// });
    /// # let _ = registry.is_empty();
    /// ```
    #[doc(alias = "middleware")]
    #[doc(alias = "interceptor")]
    #[must_use]
    pub fn layer(mut self, layer: impl AttemptLayer<S>) -> Self {
        self.layers.add(self.state.clone(), layer);
        self
    }

    /// Adds a hook that runs after every failed attempt, of any task, that is followed by a retry.
    /// It does not run for a snooze or for a job that is held back, since nothing failed.
    ///
    /// Hooks do not change what happens to the job. They run in its slot, before the decision is
    /// stored: at least once, but best effort. They are dropped when all hooks of one event take
    /// longer than 3 s together. A panic is logged. Do not block in a hook.
    ///
    /// ```
    /// # use naq_worker::Registry;
    /// let registry = Registry::new()
    ///     .on_retry(|failed| async move { eprintln!("{failed}, again in {:?}", failed.delay) });
    /// ```
    #[must_use]
    pub fn on_retry<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Retrying) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.on_retry(hook);
        self
    }

    /// As [`on_retry`](Self::on_retry), for a job that succeeds after a failed attempt.
    #[must_use]
    pub fn on_success_after_retry<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Recovered) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.on_success_after_retry(hook);
        self
    }

    /// As [`on_retry`](Self::on_retry), for a job that dies on this worker, for any reason.
    #[must_use]
    pub fn on_exhausted<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Exhausted) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.on_exhausted(hook);
        self
    }

    pub(super) fn queue_of<J: Job>(mut self) -> Self {
        self.queues.extend(J::options().queue);
        self
    }

    fn insert(self, name: &str, handler: Handler, options: TaskOptions) -> Self {
        self.insert_task(name, RegisteredTask { handler, fallback: None, options, blocks: false })
    }

    pub(super) fn insert_task(mut self, name: &str, task: RegisteredTask) -> Self {
        let name = TaskName::new(name).unwrap_or_else(|err| panic!("{err}"));
        assert!(!self.tasks.contains_key(&name), "task {name:?} has a handler already");
        self.tasks.insert(name, task);
        self
    }

    fn insert_fallback(mut self, name: &str, fallback: Handler) -> Self {
        let task = self.tasks.iter_mut().find(|(task, _)| task.as_str() == name);
        let Some((_, task)) = task else {
            panic!("a fallback for {name:?}, which has no handler: add the handler first");
        };
        assert!(task.fallback.is_none(), "task {name:?} has a fallback already");
        task.fallback = Some(fallback);
        self
    }

    pub(super) fn state(&self) -> &S {
        &self.state
    }

    pub(crate) fn into_tasks(self) -> TaskTable {
        TaskTable::new(self.tasks, self.classifiers, self.hooks)
            .with_layers(&self.layers)
            .with_breakers(self.breakers)
    }
}

impl<S> Registry<S> {
    /// The tasks that have a handler, sorted by name.
    pub fn task_names(&self) -> impl Iterator<Item = &TaskName> {
        self.tasks.keys()
    }

    /// The queues that the typed jobs of this registry name in [`Job::options`], sorted by name. A worker does not work on them by itself; pass them to
    /// [`WorkerBuilder::queues`](crate::WorkerBuilder::queues).
    ///
    /// ```
    /// # use naq_core::{Failure, Job, JobOptions};
    /// # use naq_worker::{Context, Registry};
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct SendEmail;
    ///
    /// impl Job for SendEmail {
    ///     const NAME: &'static str = "email.send";
    ///     type Output = ();
    ///
    ///     fn options() -> JobOptions {
    ///         JobOptions::new().queue("mail")
    ///     }
    /// }
    ///
    /// async fn send_email(_: SendEmail, _: Context) -> Result<(), Failure> {
    ///     Ok(())
    /// }
    ///
    /// let registry = Registry::new().task(send_email);
    /// assert!(registry.queues().map(|queue| queue.as_str()).eq(["mail"]));
    /// ```
    pub fn queues(&self) -> impl Iterator<Item = &QueueName> {
        self.queues.iter()
    }

    /// Whether the registry has no handler.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

impl<S> fmt::Debug for Registry<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("tasks", &self.tasks.keys()).finish_non_exhaustive()
    }
}
