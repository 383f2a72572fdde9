//! What an HTTP status means for an attempt.

use std::time::{Duration, SystemTime};

use naq_core::{ErrorKind, Failure};
use serde::Deserialize;

use crate::protocol::Classes;

/// Statuses that say: this request will never be accepted.
const NEVER: [u16; 5] = [400, 404, 405, 410, 422];
/// Statuses with which `Retry-After` counts.
const RETRY_AFTER: [u16; 2] = [429, 503];
/// The longest message that is taken from a body that is no problem document, in characters.
const MAX_MESSAGE: usize = 500;

/// The failure for a status that is no success.
pub(super) fn failure_of(
    status: u16,
    retry_after: Option<Duration>,
    body: &[u8],
    classes: &Classes,
) -> Failure {
    let failure = Failure::new(ErrorKind::http(status), message(status, body));
    let failure = match retry_after {
        Some(delay) if RETRY_AFTER.contains(&status) => failure.retry_after(delay),
        _ if NEVER.contains(&status) => failure.fatal(),
        _ => failure,
    };
    classes.apply(status, failure)
}

/// The parts of a problem document (RFC 9457) that say what is wrong.
#[derive(Deserialize)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
}

fn message(status: u16, body: &[u8]) -> String {
    let said = match serde_json::from_slice(body) {
        Ok(Problem { detail: Some(detail), .. }) => detail,
        Ok(Problem { title: Some(title), .. }) => title,
        _ => String::from_utf8_lossy(body).trim().chars().take(MAX_MESSAGE).collect(),
    };
    if said.is_empty() { format!("status {status}") } else { format!("status {status}: {said}") }
}

/// The delay of a `Retry-After` header: seconds, or a date.
pub(super) fn retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = header.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(header.trim()).ok()?;
    // A date that has passed means: now.
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use naq_core::Advice;

    use super::*;

    fn failure(status: u16, after: Option<u64>) -> Failure {
        let after = after.map(Duration::from_secs);
        failure_of(status, after, b"no", &Classes::default())
    }

    #[test]
    fn each_status_has_its_kind_and_advice() {
        for (status, after, advice) in [
            (429, Some(7), Advice::RetryAfter(Duration::from_secs(7))),
            (503, Some(7), Advice::RetryAfter(Duration::from_secs(7))),
            (503, None, Advice::Policy),
            (500, Some(7), Advice::Policy),
            (302, None, Advice::Policy),
            (401, None, Advice::Policy),
            (400, None, Advice::Fatal),
            (404, None, Advice::Fatal),
            (405, None, Advice::Fatal),
            (410, None, Advice::Fatal),
            (422, None, Advice::Fatal),
        ] {
            let failure = failure(status, after);
            assert_eq!(failure.advice(), advice, "{status}");
            assert_eq!(failure.to_string(), format!("HTTPError.{status}: status {status}: no"));
        }
    }

    #[test]
    fn a_problem_document_says_what_is_wrong() {
        let body = br#"{"title":"Invalid","detail":"to is no address","x":1}"#;
        assert_eq!(message(422, body), "status 422: to is no address");
        assert_eq!(message(500, b""), "status 500");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 29 Nov 2026 12:00:00 GMT").expect("a date");
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        let date = "Sun, 29 Nov 2026 12:00:30 GMT";
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Sun, 29 Nov 2020 12:00:30 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }
}
