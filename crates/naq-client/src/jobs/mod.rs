//! One job, by its id: read it, wait for it, cancel it; and lists of jobs.

mod browse;
mod cancel;
mod handle;
mod large_result;
mod report;
mod view;
mod wait;

pub use handle::JobHandle;
pub use report::JobReport;
pub use view::{DeadView, JobView};
pub use wait::WaitError;
