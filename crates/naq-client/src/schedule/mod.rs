//! Recurring schedules: register, show and change them, and make the runs that are due.

mod builder;
mod chore;
mod error;
mod report;
mod run;
mod store;
mod stored_schedule;
mod verbs;

pub use builder::ScheduleBuilder;
pub use chore::ScheduleChore;
pub use error::ScheduleError;
pub use report::{ScheduleReport, ScheduleState};
pub use store::Registered;
pub use verbs::Schedules;
