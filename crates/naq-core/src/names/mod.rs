//! The names that end up in subjects, stream names, logs and terminals, checked once at the edge;
//! and the keys that are made of them.

mod job_key;
mod name;
mod state_key;

pub use job_key::JobKey;
pub use name::{CHORES, JobId, NameError, QueueName, ScheduleName, TaskName, WorkerId};
pub use state_key::{StateKey, StateKeyError};
