//! [`When`]: the rhythm of a schedule.

use std::fmt;
use std::time::Duration;

use super::Cron;

/// When a schedule ticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// As a cron expression says, on clocks of the schedule's zone.
    Cron(Cron),
    /// Every so often since the schedule's start, or since it was made: `start + n * every`, so that
    /// it never drifts, whatever a tick takes. It counts elapsed time, and knows no summer.
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
