//! The core of NAQ: the job model, retry policies, and the decision that follows an attempt.

pub mod clock;
pub mod failure;
pub mod flow;
pub mod job;
pub mod metrics;
pub mod names;
pub mod redact;
pub mod retry;
#[cfg(feature = "schedules")]
pub mod schedule;
pub mod state;
pub mod stats;
pub mod sync;
#[cfg(feature = "testing")]
pub mod testing;
pub mod transport;
pub mod wire;

pub use clock::{Clock, SystemClock, Timer, Timestamp, TimestampError};
pub use failure::{Advice, ErrorKind, Failure, IntoFailure, JobError, KindError, ResultExt};
pub use job::{Job, JobOptions};
pub use names::{JobId, NameError, QueueName, ScheduleName, TaskName, WorkerId};
pub use retry::{Delay, Jitter, PolicyError, RetryPolicy, Strategy};
pub use state::JobState;
pub use wire::{AttemptRecord, Codec, DeadLetter, Envelope, FinalRecord, Payload};
