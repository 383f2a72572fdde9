//! [`ScheduleError`]: the errors of schedules.

use naq_core::names::{NameError, ScheduleName, StateKeyError};
use naq_core::schedule::ScheduleFault;
use naq_core::transport::TransportError;

use crate::EnqueueError;

/// A schedule could not be registered, found, or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// A name is not valid.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The definition is not valid.
    #[error(transparent)]
    Invalid(#[from] ScheduleFault),
    /// The job of the definition is not valid.
    #[error("the job of the schedule: {0}")]
    Job(#[from] EnqueueError),
    /// There is no schedule with this name.
    #[error("no schedule {0}")]
    NotFound(ScheduleName),
    /// This version cannot read the stored schedule, and does not change it.
    #[error("schedule {name}: {fault}")]
    Unreadable {
        /// Its name.
        name: ScheduleName,
        /// Why it cannot be read.
        fault: ScheduleFault,
    },
    /// Other processes changed the schedule each time before this one could.
    #[error("schedule {0} is being changed by other processes: try again")]
    Contended(ScheduleName),
    /// The broker.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl From<StateKeyError> for ScheduleError {
    fn from(err: StateKeyError) -> Self {
        Self::Invalid(ScheduleFault::Option(err.to_string()))
    }
}
