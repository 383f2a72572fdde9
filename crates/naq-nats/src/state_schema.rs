//! Whether this process has looked at the schema of the state store, before it writes to it.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the stream of the state store was seen with a schema that this program knows.
#[derive(Debug, Default)]
pub(crate) struct StateSchema(AtomicBool);

impl StateSchema {
    pub(crate) fn is_known(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set_known(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
