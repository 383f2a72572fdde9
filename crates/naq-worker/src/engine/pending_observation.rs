//! [`PendingObservation`]: what metrics and statistics count of a delivery, once it is settled.

use naq_core::TaskName;
use naq_core::stats::{Ending, Run};

use crate::report::ObservedEnding;

/// What is counted of a delivery that is about to be settled.
#[derive(Debug)]
pub(crate) struct PendingObservation {
    /// The task, if its handler is here.
    pub(super) task: Option<TaskName>,
    pub(super) attempt: u32,
    pub(super) run: Option<Run>,
    pub(super) ending: ObservedEnding,
}

impl PendingObservation {
    pub(crate) fn with_ending(self, ending: ObservedEnding) -> Self {
        Self { ending, ..self }
    }

    /// How it counts if it is settled as decided.
    pub(crate) fn ending(&self) -> Ending {
        self.ending.ending
    }
}
