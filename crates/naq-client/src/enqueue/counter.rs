//! The counters of enqueued jobs, one a queue and task.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use metrics::Counter;
use naq_core::metrics::JOBS_ENQUEUED;
use naq_core::names::{QueueName, TaskName};
use naq_core::stats::UNKNOWN_TASK;

/// Tasks of a queue that are told apart. A producer that makes up names must not fill its memory.
const MAX_TASKS: usize = 500;

/// The process's, as the recorder is the process's.
static COUNTERS: LazyLock<RwLock<Counters>> = LazyLock::new(RwLock::default);

type Counters = HashMap<QueueName, HashMap<TaskName, Counter>>;

/// The counter of this queue and task.
pub(crate) fn enqueued(queue: &QueueName, task: &TaskName) -> Counter {
    let known = COUNTERS.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(counter) = known.get(queue).and_then(|tasks| tasks.get(task)) {
        return counter.clone();
    }
    drop(known);
    let mut counters = COUNTERS.write().unwrap_or_else(PoisonError::into_inner);
    let tasks = counters.entry(queue.clone()).or_default();
    if tasks.len() >= MAX_TASKS && !tasks.contains_key(task) {
        return JOBS_ENQUEUED.counter(&[queue.as_str(), UNKNOWN_TASK]);
    }
    let new = || JOBS_ENQUEUED.counter(&[queue.as_str(), task.as_str()]);
    tasks.entry(task.clone()).or_insert_with(new).clone()
}
