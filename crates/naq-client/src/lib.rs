//! What a program asks of a NAQ queue: enqueue jobs, look at them, and act on them.
//!
//! [`Client`] holds all verbs, over any transport. Each folder answers one question that programs
//! ask: `enqueue`, `unique`, `depends`, `workflow`, `schedule` put jobs in; `jobs` reads, waits for
//! and cancels one; `dead` and `batch` act on dead letters and on many jobs; `saved` holds what a
//! handler saves between attempts; `operate` serves the people who run the queue.

mod batch;
mod broker_clock;
mod client;
mod dead;
mod depends;
mod enqueue;
mod error;
mod jobs;
mod join_bounded;
mod operate;
mod saved;
#[cfg(feature = "schedules")]
mod schedule;

#[cfg(feature = "otel")]
pub mod trace;
mod unique;
mod workflow;

pub use batch::{
    BATCH_TTL, Batch, BatchAction, BatchError, BatchId, BatchItem, BatchOrder, BatchScope,
    BatchState, COUNT_CAP, MAX_SELECTED, Preview, STALE_AFTER, UNDO_WINDOW, WaitingFilter,
};
pub use client::Client;
pub use dead::{DeadFilter, DeadSummary};
pub use depends::{JobRef, JobRefs, NamedJob, ParentEnd, Parents, Wake};
pub use enqueue::{Enqueue, Prepare, Prepared};
pub use error::{ClientError, EnqueueError};
pub use jobs::{DeadView, JobHandle, JobReport, JobView, WaitError};
pub use operate::{
    AUDIT_TTL, AuditEntry, AuditPage, AuditQuery, LimitInfo, LimitedJob, MAX_AUDIT_PAGE,
};
pub use saved::{Checkpoint, CheckpointError, CheckpointInfo, Progress};
#[cfg(feature = "schedules")]
pub use schedule::{
    Registered, ScheduleBuilder, ScheduleChore, ScheduleError, ScheduleReport, ScheduleState,
    Schedules,
};
pub use workflow::{
    NodeJob, Workflow, WorkflowError, WorkflowHandle, WorkflowJob, WorkflowNode, WorkflowReport,
    WorkflowSummary,
};
