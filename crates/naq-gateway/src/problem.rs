//! [`Problem`]: an error as RFC 9457 describes it, `application/problem+json`.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use naq_core::names::JobId;
use serde::{Serialize, Serializer};

/// An error for a caller: what is wrong, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// The kind: `urn:naq:problem:` and a name that programs can rely on.
    #[serde(rename = "type", serialize_with = "as_urn")]
    pub(crate) kind: &'static str,
    /// The kind in words.
    pub(crate) title: &'static str,
    #[serde(serialize_with = "as_number")]
    pub(crate) status: StatusCode,
    /// What is wrong this time.
    pub(crate) detail: String,
    /// What the caller can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
    /// The id of the job that may or may not be stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<JobId>,
    #[serde(skip)]
    pub(crate) retry_after: Option<Duration>,
}

fn as_urn<S: Serializer>(kind: &&'static str, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(&format_args!("urn:naq:problem:{kind}"))
}

fn as_number<S: Serializer>(status: &StatusCode, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_u16(status.as_u16())
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        let detail = detail.into();
        Self { kind, title, status, detail, next: None, id: None, retry_after: None }
    }

    /// The request is not valid.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "The request is not valid", detail)
    }

    /// A job of the request is not valid.
    pub(crate) fn bad_job(detail: impl Into<String>) -> Self {
        let next = "the fields of a job are the options of an enqueue: see /v1/openapi.json";
        Self::new(StatusCode::BAD_REQUEST, "bad-job", "The job is not valid", detail).next(next)
    }

    /// The key has no right to do this.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        let next = "ask the operator of the gateway for a key that may: naq gateway key add";
        Self::new(StatusCode::FORBIDDEN, "forbidden", "The key may not do this", detail).next(next)
    }

    #[must_use]
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    #[must_use]
    pub(crate) fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_string(&self).unwrap_or_default();
        let content_type = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, content_type, body).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"naq\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(after) = self.retry_after {
            // In whole seconds; rounded up, so that the caller does not come too early.
            let seconds = after.as_millis().div_ceil(1_000).max(1).to_string();
            if let Ok(seconds) = HeaderValue::from_str(&seconds) {
                headers.insert(header::RETRY_AFTER, seconds);
            }
        }
        response
    }
}
