//! [`Tasks`]: a registry whose handlers have their state, as a worker runs it.

use std::collections::BTreeMap;
use std::fmt;

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
        Self { tasks, classifiers, hooks, tell_hooks }
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
