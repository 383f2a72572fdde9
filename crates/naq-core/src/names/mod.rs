//! The names of queues, tasks, jobs, schedules and workers, and keys made from them. They are part of
//! subjects, stream names and logs, so each is checked once, where it enters the program.

mod job_key;
mod name;
mod state_key;

pub use job_key::JobKey;
pub use name::{
    CHORES, JobId, NameError, QueueName, ScheduleName, TaskName, WorkerId, check_unreserved,
};
pub use state_key::{StateKey, StateKeyError};
