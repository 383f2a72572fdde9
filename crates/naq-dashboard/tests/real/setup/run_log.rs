//! [`RunLog`]: what the handlers did, written by the handlers.

use std::sync::{Arc, Mutex};

use naq_core::{JobId, QueueName, TaskName};

use super::Step;

/// One run of a handler.
#[derive(Debug, Clone)]
pub(crate) struct HandlerRun {
    pub(crate) job: JobId,
    pub(crate) queue: QueueName,
    pub(crate) task: TaskName,
    pub(crate) attempt: u32,
    pub(crate) step: Step,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct RunLog(Arc<Mutex<Vec<HandlerRun>>>);

impl RunLog {
    pub(crate) fn write(&self, run: HandlerRun) {
        self.0.lock().expect("no handler panics").push(run);
    }

    pub(crate) fn read(&self) -> Vec<HandlerRun> {
        self.0.lock().expect("no handler panics").clone()
    }
}
