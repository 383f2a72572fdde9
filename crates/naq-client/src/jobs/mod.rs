//! One job, by its id: read it, wait for its end, cancel it, change its time. And lists of jobs.

mod browse;
mod cancel;
mod handle;
mod large_args;
mod large_result;
mod purge;
mod report;
mod reschedule;
mod saved_data;
mod unused_args;
mod view;
mod wait;

pub use handle::JobHandle;
pub use report::JobReport;
pub use unused_args::UnusedArgs;
pub use view::{DeadView, JobView};
pub use wait::WaitError;
