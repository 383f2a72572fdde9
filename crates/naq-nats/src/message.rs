//! Converts headers between NAQ and NATS. Headers that begin with `Nats-` belong to the broker and
//! are passed in neither direction.

use async_nats::HeaderMap;
use async_nats::header::{HeaderName, HeaderValue, ParseHeaderNameError};
use bytes::Bytes;
use naq_core::wire::{WireMessage, headers};

/// The id for the broker's deduplication.
pub(crate) const MSG_ID: &str = "Nats-Msg-Id";
/// The broker stores the message only if the last sequence on the subject is this one.
pub(crate) const EXPECTED_LAST: &str = "Nats-Expected-Last-Subject-Sequence";
/// The subject for that condition, if it is not the message's own.
pub(crate) const EXPECTED_LAST_ON: &str = "Nats-Expected-Last-Subject-Sequence-Subject";
/// Marks the message as a tombstone of the state store.
pub(crate) const OPERATION: &str = "KV-Operation";
/// The TTL of the message.
pub(crate) const TTL: &str = "Nats-TTL";
/// The message replaces all earlier ones on its subject.
pub(crate) const ROLLUP: &str = "Nats-Rollup";

fn is_brokers(name: &str) -> bool {
    name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("nats-"))
}

/// Parses the name of a header. The names that every message has are constants, so they are neither
/// checked nor copied each time.
fn header_name(name: &str) -> Result<HeaderName, ParseHeaderNameError> {
    const CONTENT_TYPE: HeaderName = HeaderName::from_static(headers::CONTENT_TYPE);
    const STEP: HeaderName = HeaderName::from_static(headers::STEP);
    match name {
        headers::CONTENT_TYPE => Ok(CONTENT_TYPE),
        headers::STEP => Ok(STEP),
        other => other.parse(),
    }
}

/// The headers of `message`. The caller adds the broker's.
pub(crate) fn outgoing(message: &WireMessage) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in message.headers().filter(|(name, _)| !is_brokers(name)) {
        // A value that is not a valid header was not written by NAQ and is not used, so it is left
        // out.
        if let (Ok(name), Ok(value)) = (header_name(name), value.parse::<HeaderValue>()) {
            headers.append(name, value);
        }
    }
    headers
}

/// The message without the broker's headers.
pub(crate) fn incoming(headers: Option<&HeaderMap>, body: Bytes) -> WireMessage {
    let mut message = WireMessage::new(body);
    for (name, values) in headers.into_iter().flat_map(HeaderMap::iter) {
        let name: &str = name.as_ref();
        if !is_brokers(name) {
            for value in values {
                message = message.with(name, value.as_str());
            }
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brokers_headers_are_passed_in_neither_direction() {
        let message = WireMessage::new(Bytes::from_static(b"x"))
            .with("Naq-Step", "a/1/0")
            .with("nats-schedule", "@every 1s")
            .with("Nats-TTL", "1s")
            .with("no header", "\u{1}");
        let headers = outgoing(&message);
        assert_eq!(headers.get("Naq-Step").map(HeaderValue::as_str), Some("a/1/0"));
        assert!(headers.get("Nats-TTL").is_none() && headers.get("nats-schedule").is_none());

        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", "x");
        headers.insert("X-Mine", "1");
        let message = incoming(Some(&headers), Bytes::new());
        assert_eq!(message.headers().collect::<Vec<_>>(), [("X-Mine", "1")]);
    }
}
