//! Handlers that answer for themselves: not yet, never again, never mind; and two that cannot.

use std::time::Duration;

use naq::{Context, Failure, Job};
use serde::{Deserialize, Serialize};

use super::{Shop, play};

/// Does as `wishes` say, one an attempt, then succeeds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Advised {
    /// What the handler does, attempt by attempt.
    pub wishes: Vec<Wish>,
}

/// What can become of an attempt, beside success and a plain error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    /// Orders an export, and comes back for it later: that is no error, and counts no attempt.
    Export {
        /// How long exports take.
        takes: Duration,
    },
    /// An error that no retry will mend.
    Fatal,
    /// Nobody needs this any more.
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

/// Does what is wished.
///
/// # Errors
/// As wished.
///
/// # Panics
/// When that is wished.
pub async fn advised(job: Advised, cx: Context<Shop>) -> Result<String, Failure> {
    match play(&job.wishes, cx.attempt()) {
        Err(Wish::Export { takes }) if !cx.state().export_ready(cx.dedup_key()) => {
            return Err(Failure::snooze(takes));
        }
        Err(Wish::Fatal) => return Err(Failure::msg("the account was deleted").fatal()),
        Err(Wish::Cancel) => return Err(Failure::cancel("the order was withdrawn")),
        Err(Wish::Panic) => panic!("index out of bounds"),
        Err(Wish::Hang) => std::future::pending().await,
        Err(Wish::Export { .. }) | Ok(()) => {}
    }
    Ok("done".into())
}
