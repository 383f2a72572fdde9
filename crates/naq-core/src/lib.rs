//! The core of NAQ: the job model, retry policies, and the decision that follows an attempt.

pub mod client;
pub mod clock;
pub mod failure;
pub mod flow;
pub mod job;
#[cfg(feature = "memory")]
pub mod memory;
pub mod metrics;
pub mod names;
pub mod redact;
pub mod retry;
#[cfg(feature = "schedules")]
pub mod schedule;
pub mod state;
pub mod stats;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "otel")]
pub mod trace;
pub mod transport;
pub mod wire;

pub use client::{
    Client, ClientError, Enqueue, EnqueueError, JobHandle, JobReport, Workflow, WorkflowHandle,
    WorkflowReport,
};
pub use clock::{Clock, SystemClock, Timer, Timestamp, TimestampError};
pub use failure::{Advice, ErrorKind, Failure, IntoFailure, JobError, KindError, ResultExt};
pub use job::{Job, JobOptions};
pub use names::{JobId, NameError, QueueName, ScheduleName, TaskName, WorkerId};
pub use retry::{Delay, Jitter, PolicyError, RetryPolicy, Strategy};
pub use state::JobState;
pub use wire::{AttemptRecord, Codec, DeadLetter, Envelope, FinalRecord, Payload};
