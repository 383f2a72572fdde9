//! The errors of the JetStream API, and the conversion of async-nats' errors to those of the ports.

use std::error::Error;
use std::fmt::Write as _;

use async_nats::{ConnectErrorKind, RequestErrorKind};
use naq_core::transport::TransportError;
use serde::Deserialize;

/// The stream does not exist.
pub(crate) const STREAM_NOT_FOUND: u64 = 10059;
/// A message could not be deleted. Usually it does not exist any more.
pub(crate) const DELETE_FAILED: u64 = 10057;
/// The message to delete does not exist any more, and others before and after it do.
pub(crate) const SEQUENCE_NOT_FOUND: u64 = 10043;
/// The consumer does not exist.
pub(crate) const CONSUMER_NOT_FOUND: u64 = 10014;
/// The condition of a publish failed: the last sequence on the subject is another one.
pub(crate) const WRONG_LAST_SEQUENCE: u64 = 10071;
/// Another process has just created a stream of this name with other settings.
pub(crate) const STREAM_NAME_IN_USE: u64 = 10058;
/// Another process has just created the consumer with other settings.
pub(crate) const CONSUMER_EXISTS: [u64; 3] = [10013, 10105, 10148];
/// The cluster has no leader at the moment.
const CLUSTER_NOT_AVAILABLE: u64 = 10008;

/// An error reply of the JetStream API.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ApiRefusal {
    #[serde(default)]
    pub(crate) err_code: u64,
    #[serde(default)]
    pub(crate) description: String,
}

/// Why one request failed, sorted by whether another request may help.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// No subscriber: the stream does not exist, or has no leader at the moment.
    NoResponders,
    /// The API refused the request.
    Refused(ApiRefusal),
    /// Anything else.
    Transport(TransportError),
}

impl ApiError {
    pub(crate) fn is(&self, err_code: u64) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.err_code == err_code)
    }

    /// Whether the message to delete did not exist any more.
    pub(crate) fn is_gone(&self) -> bool {
        let gone = |text: &str| text.contains("no message found") || text.contains("not found");
        matches!(self, Self::Refused(r) if r.err_code == DELETE_FAILED && gone(&r.description))
            || self.is(SEQUENCE_NOT_FOUND)
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

    /// The error as the ports define it.
    pub(crate) fn into_transport(self, what: &str, url: String) -> TransportError {
        match self {
            Self::Transport(error) => error,
            Self::NoResponders => TransportError::Unreachable {
                url,
                reason: format!("no reply to: {what} (the stream does not exist or has no leader)"),
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

/// Why there is no connection.
pub(crate) fn connect(error: &async_nats::ConnectError, url: String) -> TransportError {
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation => TransportError::Auth(format!(
            "authorization violation at {url}; check user, password, token, nkey or creds file"
        )),
        ConnectErrorKind::Authentication => TransportError::Auth(format!(
            "they are not valid ({}); check the nkey seed or creds file",
            error_chain(error)
        )),
        _ => TransportError::Unreachable { url, reason: error_chain(error) },
    }
}

/// Why a request has no reply. `size` and `max` are the message's size and the broker's limit.
pub(crate) fn request(
    error: &async_nats::RequestError,
    what: &str,
    size: usize,
    max: usize,
) -> ApiError {
    match error.kind() {
        RequestErrorKind::NoResponders => ApiError::NoResponders,
        RequestErrorKind::MaxPayloadExceeded => TransportError::TooLarge { size, max }.into(),
        _ => TransportError::Rejected { what: what.to_owned(), reason: error_chain(error) }.into(),
    }
}

/// An error and its causes, in one line.
pub(crate) fn error_chain(error: &dyn Error) -> String {
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
