//! The handlers' own account of what they did.

use std::sync::{Arc, Mutex};

use naq_core::{JobId, QueueName, TaskName};

use super::Step;

/// One run of a handler.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) job: JobId,
    pub(crate) queue: QueueName,
    pub(crate) task: TaskName,
    pub(crate) attempt: u32,
    pub(crate) step: Step,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Vec<Entry>>>);

impl Ledger {
    pub(crate) fn write(&self, entry: Entry) {
        self.0.lock().expect("no handler panics").push(entry);
    }

    pub(crate) fn read(&self) -> Vec<Entry> {
        self.0.lock().expect("no handler panics").clone()
    }
}
