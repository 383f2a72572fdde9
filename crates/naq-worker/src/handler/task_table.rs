//! [`TaskTable`]: a registry as a worker runs it: its handlers have their state.

use std::collections::BTreeMap;
use std::fmt;

use naq_core::flow::RetryBudget;
use naq_core::flow::breaker::BreakerConfig;
use naq_core::{Failure, TaskName};

use super::TaskOptions;
use super::classify::Classifiers;
use super::handler_fn::Handler;
use super::hooks::Hooks;
use super::layer::Layers;

/// Known tasks that an error names before it says "and more".
const NAMED_TASKS: usize = 8;

/// All tasks of a worker.
#[derive(Clone)]
pub(crate) struct TaskTable {
    tasks: BTreeMap<TaskName, RegisteredTask>,
    classifiers: Classifiers,
    /// The hooks for every task.
    hooks: Hooks,
    /// Whether there are any hooks, for every task or for one.
    has_hooks: bool,
    breakers: BTreeMap<String, BreakerConfig>,
}

/// One task of a worker.
#[derive(Clone)]
pub(crate) struct RegisteredTask {
    pub(crate) handler: Handler,
    /// Runs when a failure of the handler would end the job.
    pub(crate) fallback: Option<Handler>,
    pub(crate) options: TaskOptions,
    /// Whether the handler runs on a thread for blocking calls, which cannot be stopped.
    pub(crate) blocks: bool,
}

impl TaskTable {
    pub(crate) fn new(
        tasks: BTreeMap<TaskName, RegisteredTask>,
        classifiers: Classifiers,
        hooks: Hooks,
    ) -> Self {
        let of_tasks = || tasks.values().any(|task| !task.options.hooks.is_empty());
        let has_hooks = !hooks.is_empty() || of_tasks();
        Self { tasks, classifiers, hooks, has_hooks, breakers: BTreeMap::new() }
    }

    /// Puts the layers around every handler and every fallback.
    pub(crate) fn with_layers(mut self, layers: &Layers) -> Self {
        for task in self.tasks.values_mut() {
            task.handler = layers.around(task.handler.clone());
            task.fallback = task.fallback.take().map(|fallback| layers.around(fallback));
        }
        self
    }

    /// Adds the breakers of the registry.
    ///
    /// # Panics
    /// When a task runs under another breaker.
    pub(crate) fn with_breakers(mut self, breakers: BTreeMap<String, BreakerConfig>) -> Self {
        for (name, task) in &self.tasks {
            let missing = task.options.breaker.as_ref().filter(|key| !breakers.contains_key(*key));
            if let Some(key) = missing {
                panic!("task {name:?} runs under breaker {key:?}: add it to the registry");
            }
        }
        self.breakers = breakers;
        self
    }

    /// Wraps every handler.
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

    /// The breakers that a task runs under: the one of its own name, and the one of its options.
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

    pub(crate) fn get(&self, task: &TaskName) -> Option<&RegisteredTask> {
        self.tasks.get(task)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &TaskName> {
        self.tasks.keys()
    }

    /// The first few names, for an error message.
    pub(crate) fn some_names(&self) -> String {
        let names: Vec<_> = self.names().map(TaskName::as_str).collect();
        match names.len() {
            0 => "none".to_owned(),
            n if n <= NAMED_TASKS => names.join(", "),
            n => format!("{} and {} more", names[..NAMED_TASKS].join(", "), n - NAMED_TASKS),
        }
    }

    pub(crate) fn classify(&self, failure: Failure) -> Failure {
        self.classifiers.apply(failure)
    }

    pub(crate) fn has_hooks(&self) -> bool {
        self.has_hooks
    }

    /// The hooks for jobs of this task.
    pub(crate) fn hooks(&self, task: &TaskName) -> Vec<&Hooks> {
        let of_task = self.tasks.get(task).map(|task| &task.options.hooks);
        [&self.hooks].into_iter().chain(of_task).collect()
    }
}

impl fmt::Debug for TaskTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.tasks.keys()).finish()
    }
}
