//! A delivery in this worker, from its arrival until it is settled.

mod held_job;
mod held_jobs;
mod progress_writer;
mod saved_data;
mod stop_reason;

pub(crate) use self::held_job::HeldJob;
pub(crate) use self::held_jobs::HeldJobs;
pub(crate) use self::progress_writer::ProgressWriter;
pub(crate) use self::stop_reason::StopReason;
