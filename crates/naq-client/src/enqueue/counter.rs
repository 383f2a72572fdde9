//! The metrics of enqueued jobs: one counter per queue and task.

use std::collections::HashMap;
use std::sync::{LazyLock, RwLock};

use metrics::Counter;
use naq_core::metrics::JOBS_ENQUEUED;
use naq_core::names::{QueueName, TaskName};
use naq_core::stats::UNKNOWN_TASK;
use naq_core::sync::{read, write};

/// The most tasks of a queue that have a counter of their own. Later tasks share one, so that a
/// producer that makes up task names does not fill its memory.
const MAX_TASKS: usize = 500;

/// One table for the process, because the metrics recorder belongs to the process too.
static COUNTERS: LazyLock<RwLock<Counters>> = LazyLock::new(RwLock::default);

type Counters = HashMap<QueueName, HashMap<TaskName, Counter>>;

/// The counter of this queue and task.
pub(crate) fn enqueued(queue: &QueueName, task: &TaskName) -> Counter {
    let known = read(&COUNTERS);
    if let Some(counter) = known.get(queue).and_then(|tasks| tasks.get(task)) {
        return counter.clone();
    }
    drop(known);
    let mut counters = write(&COUNTERS);
    let tasks = counters.entry(queue.clone()).or_default();
    if tasks.len() >= MAX_TASKS && !tasks.contains_key(task) {
        return JOBS_ENQUEUED.counter(&[queue.as_str(), UNKNOWN_TASK]);
    }
    let new = || JOBS_ENQUEUED.counter(&[queue.as_str(), task.as_str()]);
    tasks.entry(task.clone()).or_insert_with(new).clone()
}
