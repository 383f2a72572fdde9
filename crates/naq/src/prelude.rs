//! The imports that a file with jobs and handlers needs: `use naq::prelude::*;`.

pub use naq_client::{Client, EnqueueError};
pub use naq_core::{
    ErrorKind, Failure, Jitter, Job, JobError, JobOptions, ResultExt, RetryPolicy, Strategy,
};
#[cfg(feature = "macros")]
pub use naq_macros::Job;
#[cfg(feature = "worker")]
pub use naq_worker::{Context, Registry, Worker};

pub use serde::{Deserialize, Serialize};
