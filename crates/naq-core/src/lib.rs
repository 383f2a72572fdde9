//! The core of NAQ: the job model, retry policies, and the decision that follows an attempt.

pub mod clock;
pub mod failure;
pub mod names;
pub mod retry;

pub use clock::{Clock, SystemClock, Timer, Timestamp, TimestampError};
pub use failure::{Advice, ErrorKind, Failure, IntoFailure, JobError, KindError, ResultExt};
pub use names::{JobId, NameError, QueueName, TaskName, WorkerId};
