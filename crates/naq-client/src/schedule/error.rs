//! What can go wrong between a program and its schedules.

use naq_core::names::{NameError, ScheduleName};
use naq_core::schedule::ScheduleFault;
use naq_core::transport::{StateKeyError, TransportError};

use crate::EnqueueError;

/// A schedule that was not registered, not found, or not acted on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// A name that NAQ refuses.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The definition makes no sense.
    #[error(transparent)]
    Invalid(#[from] ScheduleFault),
    /// The job of the definition makes no sense.
    #[error("the job of the schedule: {0}")]
    Job(#[from] EnqueueError),
    /// There is none of this name.
    #[error("no schedule {0}")]
    NotFound(ScheduleName),
    /// It is stored in a form that this version cannot read, and is left alone.
    #[error("schedule {name}: {fault}")]
    Unreadable {
        /// Its name.
        name: ScheduleName,
        /// What is wrong with it.
        fault: ScheduleFault,
    },
    /// Others changed it faster than this program could.
    #[error("schedule {0} is being changed by others all the time: try again")]
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
