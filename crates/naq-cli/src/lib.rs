//! The whole `naq` command for your own binary, with your tasks.
//!
//! ```no_run
//! use naq_core::{Failure, Job};
//! use naq_worker::{Context, Registry};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct SendEmail {
//!     to: String,
//! }
//!
//! impl Job for SendEmail {
//!     const NAME: &'static str = "email.send";
//!     type Output = ();
//! }
//!
//! async fn send_email(job: SendEmail, cx: Context) -> Result<(), Failure> {
//!     println!("to {}, {cx}", job.to);
//!     Ok(())
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     naq_cli::main(Registry::new().task(send_email))
//! }
//! ```
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `dashboard` | yes | `naq dashboard`, and the dashboard in `naq dev` |
//! | `gateway` | yes | `naq gateway` |
//! | `metrics` | yes | `naq worker --metrics`, and `/metrics` beside the dashboard |
//! | `bench` | yes | `naq bench`; it also measures the dashboard, so it brings that crate |
//! | `otel` | no | `--otlp-endpoint`: OpenTelemetry traces |
//! | `outbox` | no | `naq outbox`, with sqlx and SQLite |
//!
//! With `default-features = false` a binary compiles no HTTP server.

mod args;
mod commands;
mod connection;
mod connection_settings;
mod context;
mod exit;
mod hold_words;
mod job_details;
mod job_name;
mod keys;
mod large_args;
#[cfg(any(feature = "dashboard", feature = "gateway"))]
mod late_routes;
#[cfg(any(feature = "dashboard", feature = "gateway"))]
mod listen;
mod logging;
#[cfg(feature = "metrics")]
mod metrics;
mod operator_name;
mod output;
mod process_one;
mod progress_line;
#[cfg(any(feature = "dashboard", feature = "gateway", feature = "metrics"))]
mod readiness;
mod run;
mod run_words;
mod runtime;
mod secret_files;
#[cfg(any(feature = "dashboard", feature = "gateway", feature = "metrics"))]
mod serve;
#[cfg(any(feature = "dashboard", feature = "gateway", feature = "outbox"))]
mod stop_signal;
mod telemetry;
mod text;

pub use run::main;
