//! NAQ, the NATS Asynchronous Queue: background jobs on JetStream with retries that can be trusted.
//!
//! A job is a type and a handler is an async function. One statement enqueues a job, another runs
//! a worker:
//!
//! ```no_run
//! use naq::prelude::*;
//!
//! #[derive(Serialize, Deserialize, Job)]
//! #[serde(crate = "naq::serde")]
//! #[job(name = "email.send")]
//! struct SendEmail {
//!     to: String,
//! }
//!
//! async fn send_email(job: SendEmail, cx: Context) -> Result<(), Failure> {
//!     println!("{cx}: to {}", job.to);
//!     Ok(())
//! }
//!
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! let client = naq::connect("nats://localhost:4222").await?;
//! let job = SendEmail { to: "a@example.com".into() };
//! client.enqueue(job).max_retries(5).retry_strategy(Strategy::Exponential).await?;
//!
//! let registry = Registry::new().task(send_email);
//! Worker::builder(client, registry).build().run_until_signal().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A handler that fails returns an error with a kind ([`ErrorKind`], [`JobError`]). The job's
//! [`RetryPolicy`] decides what follows. Programs that are not async use [`blocking`].
//!
//! # Features
//!
//! - `nats` (default): [`connect`], the transport over NATS JetStream.
//! - `worker` (default): [`Worker`], [`Registry`], [`Context`].
//! - `macros` (default): `#[derive(Job)]`.
//! - `schedules` (default, and with `worker`): recurring schedules.
//! - `memory`: a transport in memory, for demos and tests without a server.
//! - `testing`: the module [`testing`], which tests your own jobs without a server.
//! - `anyhow`: handlers may return `anyhow::Error`.

pub mod blocking;
#[cfg(feature = "nats")]
mod connect;
#[cfg(feature = "nats")]
mod env;
pub mod prelude;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "nats")]
pub use connect::{ConnectError, connect, connect_from_env};
#[cfg(feature = "nats")]
pub use env::{EnvError, config_from_env};

pub use naq_client::{
    self as client, Client, ClientError, Enqueue, EnqueueError, JobHandle, JobReport, LargeArgs,
    Workflow, WorkflowHandle, WorkflowReport,
};
#[cfg(feature = "schedules")]
pub use naq_core::schedule;
pub use naq_core::{
    Advice, Clock, Codec, Delay, ErrorKind, Failure, IntoFailure, Jitter, Job, JobError, JobId,
    JobOptions, JobState, KindError, NameError, Payload, PolicyError, QueueName, ResultExt,
    RetryPolicy, ScheduleName, Strategy, SystemClock, TaskName, Timer, Timestamp, WorkerId,
    compress, flow, metrics, redact, retry, seal, sign, stats, transport, wire,
};
#[cfg(feature = "macros")]
pub use naq_macros::Job;
#[cfg(feature = "memory")]
pub use naq_memory as memory;
#[cfg(feature = "nats")]
pub use naq_nats::{self as nats, NatsConfig, NatsTransport};
#[cfg(feature = "worker")]
pub use naq_worker::{
    AsyncResult, AttemptLayer, BatchTask, BatchedJob, Class, Context, Exhausted, Exit,
    HandlerRuntime, Health, JobBatch, LargeResults, LastError, Next, NotReady, RawArgs, Recovered,
    Registry, Retrying, StopSignal, StopSignals, TaskOptions, Worker, WorkerBuilder, WorkerError,
};
#[doc(no_inline)]
pub use serde;

/// Compiles the code in the README.
#[cfg(all(doctest, feature = "macros", feature = "nats", feature = "worker"))]
#[doc = include_str!("../../../README.md")]
struct ReadmePage;

/// Compiles the code in `docs/enqueue.md`.
#[cfg(all(doctest, feature = "worker"))]
#[doc = include_str!("../../../docs/enqueue.md")]
struct EnqueuePage;

/// Compiles the code in `docs/testing.md`.
#[cfg(all(doctest, feature = "worker", feature = "testing"))]
#[doc = include_str!("../../../docs/testing.md")]
struct TestingPage;

/// Compiles the code in `docs/workflows.md`.
#[cfg(all(doctest, feature = "worker"))]
#[doc = include_str!("../../../docs/workflows.md")]
struct WorkflowsPage;

/// Compiles the code in `docs/results.md`.
#[cfg(all(doctest, feature = "worker"))]
#[doc = include_str!("../../../docs/results.md")]
struct ResultsPage;

/// Compiles the code in `docs/hooks.md`.
#[cfg(all(doctest, feature = "worker"))]
#[doc = include_str!("../../../docs/hooks.md")]
struct HooksPage;

/// Compiles the code in `docs/breakers.md`.
#[cfg(all(doctest, feature = "worker"))]
#[doc = include_str!("../../../docs/breakers.md")]
struct BreakersPage;

/// Compiles the code in `docs/schedules.md`.
#[cfg(all(doctest, feature = "worker"))]
#[doc = include_str!("../../../docs/schedules.md")]
struct SchedulesPage;

/// Compiles the code in `docs/watching-retries.md`.
#[cfg(all(doctest, feature = "worker"))]
#[doc = include_str!("../../../docs/watching-retries.md")]
struct WatchingRetriesPage;

/// Compiles the code in `docs/handlers.md`.
#[cfg(all(doctest, feature = "macros", feature = "nats", feature = "worker"))]
#[doc = include_str!("../../../docs/handlers.md")]
struct HandlersPage;

/// Compiles the code in `docs/limits.md`.
#[cfg(all(doctest, feature = "worker"))]
#[doc = include_str!("../../../docs/limits.md")]
struct LimitsPage;

/// Compiles the code in `docs/cli.md`.
#[cfg(all(doctest, feature = "macros", feature = "worker"))]
#[doc = include_str!("../../../docs/cli.md")]
struct CliPage;

/// Compiles the code in `docs/retries.md`.
#[cfg(all(doctest, feature = "worker"))]
#[doc = include_str!("../../../docs/retries.md")]
struct RetriesPage;
