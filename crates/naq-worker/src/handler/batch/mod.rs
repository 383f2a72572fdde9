//! Batch handlers: one call of a handler for many jobs of one task.

mod answer;
mod batch_task;
mod collector;
mod job_batch;

pub use self::batch_task::BatchTask;
pub use self::job_batch::{BatchedJob, JobBatch};
