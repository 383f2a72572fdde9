//! The `naq` command, for a binary of your own: your tasks, and everything else that `naq` can.
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

mod args;
mod commands;
mod connection;
mod exit;
mod logging;
mod metrics;
mod output;
mod progress;
mod report;
mod run;
mod serve;
mod telemetry;
mod text;
mod who;

pub use run::main;
