//! [`Tasks`]: a registry whose handlers have their state, as a worker runs it.

use std::collections::BTreeMap;
use std::fmt;

use naq_core::flow::RetryBudget;
use naq_core::flow::breaker::BreakerConfig;
use naq_core::{Failure, TaskName};

use crate::TaskOptions;
use crate::classify::Classifiers;
use crate::handler::Handler;
use crate::hooks::Hooks;

/// All tasks of a worker.
#[derive(Clone)]
pub(crate) struct Tasks {
    tasks: BTreeMap<TaskName, Task>,
    classifiers: Classifiers,
    /// Of every task.
    hooks: Hooks,
    /// Whether there are any hooks at all.
    tell_hooks: bool,
    breakers: BTreeMap<String, BreakerConfig>,
}

/// One of them.
#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) handler: Handler,
    /// What runs when the handler's failure would be the end of the job.
    pub(crate) fallback: Option<Handler>,
    pub(crate) options: TaskOptions,
}

impl Tasks {
    pub(crate) fn new(
        tasks: BTreeMap<TaskName, Task>,
        classifiers: Classifiers,
        hooks: Hooks,
    ) -> Self {
        let of_tasks = || tasks.values().any(|task| !task.options.hooks.is_empty());
        let tell_hooks = !hooks.is_empty() || of_tasks();
        Self { tasks, classifiers, hooks, tell_hooks, breakers: BTreeMap::new() }
    }

    /// With these breakers.
    ///
    /// # Panics
    /// When a task runs under one that is not among them.
    pub(crate) fn with_breakers(mut self, breakers: BTreeMap<String, BreakerConfig>) -> Self {
        for (name, task) in &self.tasks {
            let missing = task.options.breaker.as_ref().filter(|key| !breakers.contains_key(*key));
            if let Some(key) = missing {
                panic!("task {name:?} runs under breaker {key:?}: add that to the registry");
            }
        }
        self.breakers = breakers;
        self
    }

    /// With every handler in a wrapper of its own.
    #[cfg(feature = "testing")]
    pub(crate) fn wrapped(mut self, wrap: impl Fn(Handler) -> Handler) -> Self {
        for task in self.tasks.values_mut() {
            task.handler = wrap(task.handler.clone());
        }
        self
    }

    pub(crate) fn breakers(&self) -> impl Iterator<Item = (&str, &BreakerConfig)> {
        self.breakers.iter().map(|(key, config)| (key.as_str(), config))
    }

    /// The breakers that a task runs under: that of its own name, and that of its options.
    pub(crate) fn breakers_of(&self, task: &TaskName) -> Vec<String> {
        let own = self.breakers.contains_key(task.as_str()).then(|| task.to_string());
        let named = self.tasks.get(task).and_then(|task| task.options.breaker.clone());
        let named = named.filter(|named| own.as_ref() != Some(named));
        own.into_iter().chain(named).collect()
    }

    /// The retry budgets of tasks.
    pub(crate) fn retry_budgets(&self) -> impl Iterator<Item = (&TaskName, RetryBudget)> {
        self.tasks.iter().filter_map(|(name, task)| Some((name, task.options.retry_budget?)))
    }

    pub(crate) fn get(&self, task: &TaskName) -> Option<&Task> {
        self.tasks.get(task)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &TaskName> {
        self.tasks.keys()
    }

    pub(crate) fn classify(&self, failure: Failure) -> Failure {
        self.classifiers.apply(failure)
    }

    pub(crate) fn tell_hooks(&self) -> bool {
        self.tell_hooks
    }

    /// Who is to be told of what becomes of a job of this task.
    pub(crate) fn hooks(&self, task: &TaskName) -> Vec<&Hooks> {
        let of_task = self.tasks.get(task).map(|task| &task.options.hooks);
        [&self.hooks].into_iter().chain(of_task).collect()
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.tasks.keys()).finish()
    }
}
