//! [`Registry`]: which handler runs which task.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;

use naq_core::{Failure, IntoFailure, Job, JobError, TaskName};
use serde::Serialize;

use crate::Context;
use crate::classify::{Class, Classifiers};
use crate::handler::{self, Handler, RawArgs};

/// The handlers of a worker, with the state that they share.
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
/// A handler takes the state that the registry has; another type does not compile:
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
    tasks: BTreeMap<TaskName, Handler>,
    classifiers: Classifiers,
}

impl Registry {
    /// No handlers yet, no state.
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
    /// No handlers yet; each will find a clone of `state` in its [`Context`].
    pub fn with_state(state: S) -> Self {
        Self { state, tasks: BTreeMap::new(), classifiers: Classifiers::default() }
    }

    /// Adds an async handler for the jobs of type `J`.
    ///
    /// # Panics
    /// When the task has a handler already, or `J::NAME` is no task name.
    #[must_use]
    pub fn task<J, F, Fut, E>(self, handler: F) -> Self
    where
        J: Job,
        F: Fn(J, Context<S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<J::Output, E>> + Send + 'static,
        E: IntoFailure + 'static,
    {
        let handler = handler::asynchronous(self.state.clone(), handler::decoded::<J>, handler);
        self.insert(J::NAME, handler)
    }

    /// Adds a handler that blocks, for the jobs of type `J`. It runs on a thread of its own.
    ///
    /// A thread cannot be stopped from outside: after a timeout or a cancellation the attempt is
    /// over, yet the function runs on until it returns. It should look at
    /// [`Context::is_cancelled`].
    ///
    /// # Panics
    /// When the task has a handler already, or `J::NAME` is no task name.
    #[must_use]
    pub fn blocking<J, F, E>(self, handler: F) -> Self
    where
        J: Job,
        F: Fn(J, Context<S>) -> Result<J::Output, E> + Send + Sync + 'static,
        E: IntoFailure + 'static,
    {
        let handler = handler::blocking(self.state.clone(), handler::decoded::<J>, handler);
        self.insert(J::NAME, handler)
    }

    /// Adds a handler by the task's name, with arguments as they came ([`naq_core::Payload`]) or as
    /// a [`serde_json::Value`].
    ///
    /// # Panics
    /// When the task has a handler already, or `name` is no task name.
    #[must_use]
    pub fn raw<A, R, F, Fut, E>(self, name: &str, handler: F) -> Self
    where
        A: RawArgs,
        R: Serialize + 'static,
        F: Fn(A, Context<S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, E>> + Send + 'static,
        E: IntoFailure + 'static,
    {
        let handler = handler::asynchronous(self.state.clone(), A::from_payload, handler);
        self.insert(name, handler)
    }

    /// Recognises the user's error type `E` wherever it is the cause of a failure, so that a
    /// handler may return [`Failure`] and use `?`. A kind that the handler names stays.
    #[must_use]
    pub fn classify<E: JobError>(mut self) -> Self {
        self.classifiers.add_type::<E>();
        self
    }

    /// The same for an error type of another crate: `class` gives its kind, or kind and advice.
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

    fn insert(mut self, name: &str, handler: Handler) -> Self {
        let name = TaskName::new(name).unwrap_or_else(|err| panic!("{err}"));
        assert!(!self.tasks.contains_key(&name), "task {name:?} has a handler already");
        self.tasks.insert(name, handler);
        self
    }

    pub(crate) fn into_tasks(self) -> Tasks {
        Tasks { handlers: self.tasks, classifiers: self.classifiers }
    }
}

impl<S> Registry<S> {
    /// The tasks that have a handler, sorted.
    pub fn task_names(&self) -> impl Iterator<Item = &TaskName> {
        self.tasks.keys()
    }

    /// Whether no handler was added.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

impl<S> fmt::Debug for Registry<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("tasks", &self.tasks.keys()).finish_non_exhaustive()
    }
}

/// A registry whose handlers have their state: what a worker runs.
#[derive(Clone)]
pub(crate) struct Tasks {
    handlers: BTreeMap<TaskName, Handler>,
    classifiers: Classifiers,
}

impl Tasks {
    pub(crate) fn get(&self, task: &TaskName) -> Option<&Handler> {
        self.handlers.get(task)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &TaskName> {
        self.handlers.keys()
    }

    pub(crate) fn classify(&self, failure: Failure) -> Failure {
        self.classifiers.apply(failure)
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.handlers.keys()).finish()
    }
}
