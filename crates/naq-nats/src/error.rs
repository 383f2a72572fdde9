//! What the broker answers instead of an answer, and the way from async-nats' errors to ours.

use std::error::Error;
use std::fmt::Write as _;

use async_nats::{ConnectErrorKind, RequestErrorKind};
use naq_core::transport::TransportError;
use serde::Deserialize;

/// No such stream.
pub(crate) const STREAM_NOT_FOUND: u64 = 10059;
/// A message could not be deleted; most often because it is gone.
pub(crate) const DELETE_FAILED: u64 = 10057;
/// No such consumer.
pub(crate) const CONSUMER_NOT_FOUND: u64 = 10014;
/// The guard of a publish did not hold: the subject's last sequence is another one.
pub(crate) const WRONG_LAST_SEQUENCE: u64 = 10071;
/// Somebody made a stream of this name with other settings a moment ago.
pub(crate) const STREAM_NAME_IN_USE: u64 = 10058;
/// Somebody made the consumer with other settings a moment ago.
pub(crate) const CONSUMER_EXISTS: [u64; 3] = [10013, 10105, 10148];
/// The cluster has no leader at the moment.
const CLUSTER_NOT_AVAILABLE: u64 = 10008;

/// An answer of the JetStream API that is none.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Refusal {
    #[serde(default)]
    pub(crate) err_code: u64,
    #[serde(default)]
    pub(crate) description: String,
}

/// Why one request failed, in the terms of those who decide whether to ask again.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// Nobody listens there: no such stream, or none with a leader at the moment.
    NoResponders,
    /// The API says no.
    Refused(Refusal),
    /// Anything else.
    Transport(TransportError),
}

impl ApiError {
    pub(crate) fn is(&self, err_code: u64) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.err_code == err_code)
    }

    /// Whether the message to delete was gone already.
    pub(crate) fn is_gone(&self) -> bool {
        let gone = |text: &str| text.contains("no message found") || text.contains("not found");
        matches!(self, Self::Refused(r) if r.err_code == DELETE_FAILED && gone(&r.description))
    }

    pub(crate) fn is_permission(&self) -> bool {
        matches!(self, Self::Transport(TransportError::Permission { .. }))
    }

    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::NoResponders => true,
            Self::Refused(refusal) => refusal.err_code == CLUSTER_NOT_AVAILABLE,
            Self::Transport(error) => error.is_transient(),
        }
    }

    /// The error as the ports know it.
    pub(crate) fn into_transport(self, what: &str, url: String) -> TransportError {
        match self {
            Self::Transport(error) => error,
            Self::NoResponders => TransportError::Unreachable {
                url,
                reason: format!("nobody answers to: {what} (no such stream, or no leader)"),
            },
            Self::Refused(refusal) if refusal.err_code == CLUSTER_NOT_AVAILABLE => {
                TransportError::Unreachable { url, reason: refusal.description }
            }
            Self::Refused(refusal) => TransportError::Rejected {
                what: what.to_owned(),
                reason: format!("{} (JetStream error {})", refusal.description, refusal.err_code),
            },
        }
    }
}

impl From<TransportError> for ApiError {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}

/// Why no connection came about.
pub(crate) fn connect(error: &async_nats::ConnectError, url: String) -> TransportError {
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation => TransportError::Auth(format!(
            "authorization violation at {url}; check user, password, token, nkey or creds file"
        )),
        ConnectErrorKind::Authentication => TransportError::Auth(format!(
            "they cannot be used ({}); check the nkey seed or creds file",
            chain(error)
        )),
        _ => TransportError::Unreachable { url, reason: chain(error) },
    }
}

/// Why a request got no answer. `size` and `max` are of the message.
pub(crate) fn request(
    error: &async_nats::RequestError,
    what: &str,
    size: usize,
    max: usize,
) -> ApiError {
    match error.kind() {
        RequestErrorKind::NoResponders => ApiError::NoResponders,
        RequestErrorKind::MaxPayloadExceeded => TransportError::TooLarge { size, max }.into(),
        _ => TransportError::Rejected { what: what.to_owned(), reason: chain(error) }.into(),
    }
}

/// An error and what caused it, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // async-nats repeats the cause in its own text.
        if !text.contains(&cause_text) {
            let _ = write!(text, ": {cause_text}");
        }
        source = cause.source();
    }
    text
}
