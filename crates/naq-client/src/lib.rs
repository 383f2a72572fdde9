//! The verbs that a program calls on a NAQ queue: enqueue jobs, read them, wait for them, and act on
//! them, over any transport.
//!
//! All verbs are methods of [`Client`]. This example enqueues a job on the in-memory transport, plays
//! the worker by hand, and reads the result:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use naq_client::Client;
//! use naq_core::{Clock, FinalRecord, JobState, Payload, QueueName, SystemClock};
//! use naq_core::transport::{Consumer, Fact, Settler};
//! use naq_memory::MemoryTransport;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let broker = MemoryTransport::new();
//! let client = Client::new(Arc::new(broker.clone()));
//! let handle = client.enqueue_task("email.send", &["ann@example.com"])?.max_retries(4).await?;
//! assert_eq!(handle.report().await?.state, JobState::Pending);
//!
//! // The part of a worker: take the job, store its final record, ack the message.
//! let lease = Duration::from_secs(30);
//! let mut queue = broker.subscribe(&QueueName::default(), lease).await?;
//! let delivery = queue.fetch(1, lease).await?.remove(0);
//! let envelope = delivery.envelope()?;
//! let record = FinalRecord {
//!     result: Some(Payload::encode(envelope.codec, &"sent")?),
//!     state: JobState::Completed,
//!     finished_at: SystemClock.now(),
//!     envelope,
//! };
//! broker.write(&Fact::record(&delivery.stored, &record)?.expect("the job keeps a record")).await?;
//! delivery.handle.ack().await?;
//!
//! assert_eq!(handle.wait(Duration::from_secs(1)).await?, "sent");
//! # Ok(())
//! # }
//! ```
//!
//! # Where to find what
//!
//! Each folder of the source answers one question that programs ask.
//!
//! | folder | question | start at |
//! |---|---|---|
//! | `enqueue` | How do I enqueue a job, or many, with which options? | [`Client::enqueue`], [`Enqueue`], [`Client::enqueue_many`] |
//! | `unique` | How is there only one job per unique key? | [`Enqueue::unique`] |
//! | `depends` | How does a job wait for others, and use their results? | [`Enqueue::depends_on`], [`Parents`] |
//! | `workflow` | How do I start a whole graph of jobs? | [`Workflow`], [`Client::start`] |
//! | `schedule` | How do I run jobs again and again? Feature `schedules` | `Client::schedule` |
//! | `jobs` | What is the state of a job? How do I wait for it, cancel it, move it? | [`Client::job`], [`JobHandle::wait`], [`Client::cancel`], [`Client::jobs`] |
//! | `saved` | What has a handler saved while it runs? | [`Checkpoint`], [`Progress`] |
//! | `dead` | Which jobs died, and how do I requeue or purge them? | [`Client::dead_letters`], [`Client::requeue`] |
//! | `batch` | How do I act on many jobs at once, and undo it? | [`BatchOrder`], [`Client::start_batch`] |
//! | `find` | Where is the job with this text in its id, a tag, its task or its error? | [`Client::find_jobs`] |
//! | `holds` | What holds my jobs, since when, and how many? | [`Client::holds`], [`Client::hold_of`] |
//! | `runs` | Which worker runs a job, since when, and how far is it? | [`Client::runs`], [`Client::run_of`] |
//! | `operate` | How do I pause, drain and limit, and who did what? | [`Client::pause_task`], [`Client::audit_log`], [`Client::history`] |
//!
//! Features: `schedules`, `metrics` (counts enqueued jobs), `otel` (traces them). None is on by
//! default.

mod batch;
mod client;
mod dead;
mod depends;
mod enqueue;
mod error;
mod find;
mod holds;
mod jobs;
mod join_bounded;
mod operate;
mod protect;
mod runs;
mod saved;
#[cfg(feature = "schedules")]
mod schedule;

#[cfg(feature = "otel")]
pub mod trace;
mod unique;
mod workflow;

pub use batch::{
    BATCH_TTL, Batch, BatchAction, BatchError, BatchId, BatchItem, BatchOrder, BatchScope,
    BatchState, COUNT_CAP, LiveFilter, MAX_SELECTED, Preview, STALE_AFTER, UNDO_WINDOW,
    WaitingFilter,
};
pub use client::Client;
pub use dead::{DeadFilter, DeadSummary};
pub use depends::{JobRef, JobRefs, NamedJob, ParentEnd, Parents, Wake};
pub use enqueue::{
    Enqueue, EnqueueLayer, Enqueued, LargeArgs, LargeArgsError, OutgoingJob, Prepare, Prepared,
    WriteJob, WrittenJob,
};
pub use error::{ClientError, EnqueueError};
pub use find::{FoundJob, FoundJobs, MatchedBy, SearchedPlace};
pub use holds::{Hold, HoldCause, HoldFacts, Need, find_holds, find_needs, hold_of, idle_breakers};
pub use jobs::{DeadView, JobHandle, JobReport, JobView, UnusedArgs, WaitError};
pub use operate::{
    AUDIT_TTL, AuditCheck, AuditEntry, AuditPage, AuditQuery, LimitInfo, LimitedJob, MAX_AUDIT_PAGE,
};
pub use protect::{EncryptedJob, OpenedArgs, Signer};
pub use runs::{Run, Runs};
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
