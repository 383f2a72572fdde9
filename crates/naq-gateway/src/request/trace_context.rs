//! [`traceparent`]: the W3C trace context of a request. It is the only header that goes into a job.

use axum::http::{HeaderMap, HeaderName};

use crate::guard::single;

const HEADER: HeaderName = HeaderName::from_static("traceparent");

/// The trace context, if it has the form of version 00: `00-TRACE-SPAN-FLAGS` in hexadecimal digits.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<&str> {
    let text = single(headers, HEADER)?;
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    let hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    (hex && text.starts_with("00-") && lengths == [2, 32, 16, 2]).then_some(text)
}
