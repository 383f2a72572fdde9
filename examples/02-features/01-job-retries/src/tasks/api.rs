//! An API call. HTTP statuses are error kinds, so a policy can distinguish them.

use std::time::Duration;

use naq::{Advice, Context, ErrorKind, Job, JobError};
use serde::{Deserialize, Serialize};

use super::{Shop, fail_as_planned};

/// Calls another service.
#[derive(Debug, Serialize, Deserialize)]
pub struct CallApi {
    /// The address of the service.
    pub url: String,
    /// What goes wrong, attempt by attempt.
    pub faults: Vec<ApiError>,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ApiError {
    /// The service does not listen.
    #[error("connection refused")]
    Refused,
    /// No answer came in time.
    #[error("no answer in time")]
    TimedOut,
    /// An answer with an error status.
    #[error("the service answered {0}")]
    Status(u16),
    /// `429 Too Many Requests`, with a `Retry-After` header.
    #[error("the service answered 429, retry after {retry_after:?}")]
    Busy {
        /// The value of the header.
        retry_after: Duration,
    },
}

impl Job for CallApi {
    const NAME: &'static str = "demo.api";
    type Output = String;
}

impl JobError for ApiError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused => "ConnectionError.refused".into(),
            Self::TimedOut => ErrorKind::TIMEOUT,
            Self::Status(401) => ErrorKind::AUTHENTICATION,
            Self::Status(403) => ErrorKind::PERMISSION,
            Self::Status(400 | 422) => ErrorKind::VALUE,
            Self::Status(status) => ErrorKind::http(*status),
            Self::Busy { .. } => ErrorKind::http(429),
        }
    }

    /// If the service says when to come back, the retry waits that long.
    fn advice(&self) -> Advice {
        match self {
            Self::Busy { retry_after } => Advice::RetryAfter(*retry_after),
            _ => Advice::Policy,
        }
    }
}

/// Calls the service.
///
/// # Errors
/// The fault of this attempt.
pub async fn call_api(job: CallApi, cx: Context<Shop>) -> Result<String, ApiError> {
    fail_as_planned(&job.faults, cx.attempt())?;
    Ok(format!("200 from {}", job.url))
}
