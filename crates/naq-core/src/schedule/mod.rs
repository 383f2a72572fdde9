//! Recurring schedules: when they tick, and what a tick does. Plain data and pure decisions.
//!
//! A [`Schedule`] is the definition, and [`Progress`] says how far it is. Both are one entry in the state
//! store. The worker that gets the schedule's chore reads the clock, asks [`turn`] what follows,
//! enqueues the runs, and schedules the chore again for the next tick.

mod cron;
mod definition;
mod entry;
mod error;
mod options;
mod progress;
mod set_back;
mod template;
mod tick;
mod turn;
mod when;
mod zone;

pub use cron::Cron;
pub use definition::{MIN_EVERY, Schedule};
pub use entry::ScheduleEntry;
pub use error::ScheduleFault;
pub use options::{CatchUp, MAX_CATCH_UP, Overlap};
pub use progress::{LastRun, Progress};
pub use template::JobTemplate;
pub use tick::Tick;
pub use turn::{ON_TIME, Seen, Turn, turn};
pub use when::When;
pub use zone::Zone;
