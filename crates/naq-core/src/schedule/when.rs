//! [`When`]: when a schedule ticks.

use std::fmt;
use std::time::Duration;

use super::Cron;

/// When a schedule ticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// By a cron expression, in the time zone of the schedule.
    Cron(Cron),
    /// At `start + n * every`, counted from the start of the schedule or from its creation. It counts
    /// elapsed time: ticks never drift, and changes of the clock do not matter.
    Every(Duration),
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cron(cron) => cron.fmt(f),
            Self::Every(every) => write!(f, "every {}", crate::Delay::Every(*every)),
        }
    }
}
