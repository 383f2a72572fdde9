//! A handler that decides itself: snooze, fatal, cancel. Two of its behaviours are a panic and a hang.

use std::time::Duration;

use naq::{Context, Failure, Job};
use serde::{Deserialize, Serialize};

use super::{Shop, fail_as_planned};

/// Behaves as `behaviours` say, one for each attempt, then succeeds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Advised {
    /// What the handler does, attempt by attempt.
    pub behaviours: Vec<Behaviour>,
}

/// How an attempt can end, apart from success and a plain error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Behaviour {
    /// The handler orders an export and snoozes until it is ready. That is not an error, and counts
    /// no attempt.
    Export {
        /// How long the export takes.
        takes: Duration,
    },
    /// An error that no retry can fix.
    Fatal,
    /// The job is not needed any more.
    Cancel,
    /// A bug.
    Panic,
    /// A call that never returns: the job's `timeout` ends it.
    Hang,
}

impl Job for Advised {
    const NAME: &'static str = "demo.advice";
    type Output = String;
}

/// Behaves as planned for this attempt.
///
/// # Errors
/// `Fatal`, `Cancel`, and an export that is not ready.
///
/// # Panics
/// For `Panic`.
pub async fn advised(job: Advised, cx: Context<Shop>) -> Result<String, Failure> {
    match fail_as_planned(&job.behaviours, cx.attempt()) {
        Err(Behaviour::Export { takes }) if !cx.state().export_ready(cx.dedup_key()) => {
            return Err(Failure::snooze(takes));
        }
        Err(Behaviour::Fatal) => return Err(Failure::msg("the account was deleted").fatal()),
        Err(Behaviour::Cancel) => return Err(Failure::cancel("the order was withdrawn")),
        Err(Behaviour::Panic) => panic!("index out of bounds"),
        Err(Behaviour::Hang) => std::future::pending().await,
        Err(Behaviour::Export { .. }) | Ok(()) => {}
    }
    Ok("done".into())
}
