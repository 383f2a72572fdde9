//! Enqueue jobs: one, or many at once, with the options of the job.

mod builder;
mod bulk;
mod coalesce;
#[cfg(feature = "metrics")]
mod counter;
mod debounce;
mod debounced_job;
mod depends_on;
mod follow_up;
mod job_times;
mod large_args;
mod layer;
mod limits;
mod once;
mod prepared;
mod retries;
mod run_again;
mod send;
mod send_debounced;
mod store_args;
mod telemetry;
mod times;
mod unique;
mod written_job;

pub use builder::Enqueue;
pub use bulk::Prepare;
pub use large_args::{LargeArgs, LargeArgsError};
pub use layer::{EnqueueLayer, Enqueued, OutgoingJob};
pub use prepared::Prepared;
pub use written_job::{WriteJob, WrittenJob};

pub(crate) use layer::EnqueueLayers;
