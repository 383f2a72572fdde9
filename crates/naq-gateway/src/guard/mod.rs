//! What stands in front of every route: key, right, rate, the body's size, the log line and the metrics.

mod access;
mod admit;
mod local;
mod rate_limits;

use axum::http::{HeaderMap, HeaderName};

pub(crate) use access::{Access, Right};
pub(crate) use admit::{around, guarded};
pub(crate) use rate_limits::RateLimits;

/// The value of a header that must come exactly once; none otherwise.
pub(crate) fn single(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}
