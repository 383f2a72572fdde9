//! A flaky task: it fails a few times, then succeeds.

use naq::{Context, ErrorKind, Job, JobError};
use serde::{Deserialize, Serialize};

use super::{Shop, fail_as_planned};

/// Fails as `faults` say, one for each attempt, then succeeds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Flaky {
    /// What goes wrong, attempt by attempt.
    pub faults: Vec<FlakyError>,
}

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum FlakyError {
    /// The service cannot be reached.
    #[error("the service cannot be reached")]
    Connection,
    /// The service is too slow.
    #[error("no answer in time")]
    Timeout,
    /// The input is wrong, and a retry does not change it.
    #[error("the input is not valid")]
    Value,
}

impl Flaky {
    /// Fails this many times with a `ConnectionError`, then succeeds.
    pub fn failing(times: usize) -> Self {
        Self { faults: vec![FlakyError::Connection; times] }
    }
}

impl Job for Flaky {
    const NAME: &'static str = "demo.flaky";
    type Output = String;
}

impl JobError for FlakyError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Connection => ErrorKind::CONNECTION,
            Self::Timeout => ErrorKind::TIMEOUT,
            Self::Value => ErrorKind::VALUE,
        }
    }
}

/// Succeeds once its faults are used up.
///
/// # Errors
/// The fault of this attempt.
pub async fn flaky(job: Flaky, cx: Context<Shop>) -> Result<String, FlakyError> {
    fail_as_planned(&job.faults, cx.attempt())?;
    Ok("it worked".into())
}
