//! Retry policies as data, and the decision that follows an attempt. NAQ is a job queue on NATS
//! JetStream. With its default features this crate also has NAQ's job model: jobs, wire format, and
//! the ports to a broker.
//!
//! A policy is plain data that is written in a line of text. [`decide`] takes a policy, the facts of
//! an attempt and its outcome, and says what follows, when, and why. It reads no clock and does no
//! I/O: the same inputs give the same answer everywhere.
//!
//! ```
//! use naq_core::{Advice, AttemptFacts, ErrorKind, JobId, Outcome, RetryPolicy, Timestamp, decide};
//!
//! let policy: RetryPolicy = "exponential:2s,max_retries=4".parse()?;
//! let job_id = JobId::new("invoice-2317")?; // any id: jitter is computed from it
//! let now: Timestamp = "2026-11-23T12:00:00Z".parse()?; // or SystemClock.now()
//! let facts = AttemptFacts {
//!     job_id: &job_id, attempt: 2, crashes: 0, first_started_at: now, deadline: None, now,
//! };
//! let failed = Outcome::Failed { kind: &ErrorKind::http(503), advice: Advice::Policy };
//! let decision = decide(&policy, &facts, &failed);
//! assert_eq!(decision.action.delay(), Some(std::time::Duration::from_secs(4)));
//! let reason = "attempt 2 of 5 failed with HTTPError.503: retry 2 in 4s (exponential)";
//! assert_eq!(decision.reason(), reason);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Modules
//!
//! | for | modules |
//! |---|---|
//! | retries: start here | [`retry`], with [`failure`] (error kinds), [`names`] and [`clock`] |
//! | the job | `job`, `state`, `wire`; who made it: `sign`; what only few may read: `seal`; smaller messages: `compress` |
//! | other decisions | `flow` (dependencies, limits, breakers, budgets), `schedule`, `stats` |
//! | ports: what a transport implements | `transport`; for tests also `testing` |
//! | shared by NAQ's crates | `redact`, `metrics`, `sync` |
//!
//! # Features
//!
//! For retries alone, turn the default features off:
//!
//! ```toml
//! naq-core = { version = "0.1", default-features = false }
//! ```
//!
//! The crate then has only the modules in the first row of the table above. It depends only on
//! `humantime`, `serde` and `thiserror` (with their derive macros).
//!
//! | feature | adds |
//! |---|---|
//! | `jobs` (default) | the job model and all other modules, except `schedule` and `testing` |
//! | `schedules` | `schedule`: cron expressions and time zones |
//! | `tokio` | tokio's timeouts get their error kind; with `jobs`, [`SystemClock`] is a `Timer` |
//! | `anyhow` | `anyhow::Error` turns into a [`Failure`] |
//! | `metrics` | gauges and counters are set through the `metrics` facade |
//! | `testing` | a clock that tests move, and a transport that fails on command |

// Retries: start here.
pub mod clock;
pub mod failure;
pub mod names;
pub mod retry;

// The job.
#[cfg(feature = "jobs")]
pub mod compress;
#[cfg(feature = "jobs")]
pub mod job;
#[cfg(feature = "jobs")]
pub mod seal;
#[cfg(feature = "jobs")]
pub mod sign;
#[cfg(feature = "jobs")]
pub mod state;
#[cfg(feature = "jobs")]
pub mod wire;

// Other decisions.
#[cfg(feature = "jobs")]
pub mod flow;
#[cfg(feature = "schedules")]
pub mod schedule;
#[cfg(feature = "jobs")]
pub mod stats;

// Ports: what a transport implements.
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "jobs")]
pub mod transport;

// Shared by NAQ's crates.
#[cfg(feature = "jobs")]
pub mod metrics;
#[cfg(feature = "jobs")]
pub mod redact;
#[cfg(feature = "jobs")]
pub mod sync;

#[cfg(feature = "jobs")]
pub use clock::Timer;
pub use clock::{Clock, SystemClock, Timestamp, TimestampError};
pub use failure::{Advice, ErrorKind, Failure, IntoFailure, JobError, KindError, ResultExt};
#[cfg(feature = "jobs")]
pub use job::{Job, JobOptions};
pub use names::{JobId, NameError, QueueName, ScheduleName, TaskName, WorkerId};
pub use retry::{
    Action, AttemptFacts, Decision, Delay, Jitter, Outcome, PolicyError, RetryPolicy, Strategy,
    decide, preview,
};
#[cfg(feature = "jobs")]
pub use state::JobState;
#[cfg(feature = "jobs")]
pub use wire::{AttemptRecord, Codec, DeadLetter, Envelope, FinalRecord, Payload};
