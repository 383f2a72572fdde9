//! The errors of the JetStream API, and the conversion of async-nats' errors to those of the ports.

use std::error::Error;
use std::fmt::Write as _;

use async_nats::{ConnectErrorKind, RequestErrorKind};
use naq_core::transport::TransportError;
use serde::Deserialize;

use crate::error_codes::{
    self, CONSUMER_NOT_FOUND, CONSUMER_TO_CHANGE_NOT_FOUND, DELETE_FAILED, DUPLICATE_IN_PROCESS,
    SEQUENCE_NOT_FOUND, STORE_FULL, SUBJECT_IN_PROCESS,
};

/// An error reply of the JetStream API.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ApiRefusal {
    /// The status, as of HTTP.
    #[serde(default)]
    pub(crate) code: u16,
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

impl ApiRefusal {
    /// Which store is full, and how the operator sets its size.
    pub(crate) fn full_store_words(&self) -> String {
        let store = match self.err_code {
            10002 => "the account has reached its JetStream limits",
            10028 => "the broker's memory store is full (max_memory_store, or the account's limit)",
            10047 => "the broker's file store is full (max_file_store, or the account's limit)",
            _ => {
                "the broker's store is full (max_file_store, or max_memory_store for streams in memory)"
            }
        };
        format!("{store}: {} (JetStream error {})", self.description, self.err_code)
    }

    fn is_transient(&self) -> bool {
        error_codes::is_transient(self.err_code, self.code)
    }
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

    /// The consumer to act on does not exist: another operator may have deleted it a moment ago.
    pub(crate) fn lacks_consumer(&self) -> bool {
        self.is(CONSUMER_NOT_FOUND)
            || self.is(CONSUMER_TO_CHANGE_NOT_FOUND)
            || matches!(self, Self::Transport(TransportError::NoQueue(_)))
    }

    /// Whether a store has no room for another message.
    pub(crate) fn is_store_full(&self) -> bool {
        matches!(self, Self::Refused(refusal) if STORE_FULL.contains(&refusal.err_code))
    }

    pub(crate) fn is_permission(&self) -> bool {
        matches!(self, Self::Transport(TransportError::Permission { .. }))
    }

    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::NoResponders => true,
            Self::Refused(refusal) => refusal.is_transient(),
            Self::Transport(error) => error.is_transient(),
        }
    }

    /// Whether it is unknown if a publish with this error was stored. These errors say that it was
    /// not: no server received it, or another message is in the way.
    pub(crate) fn is_unclear(&self) -> bool {
        let in_the_way = self.is(DUPLICATE_IN_PROCESS) || self.is(SUBJECT_IN_PROCESS);
        !(in_the_way || matches!(self, Self::NoResponders))
    }

    /// The error as the ports define it.
    pub(crate) fn into_transport(self, what: &str, url: String) -> TransportError {
        match self {
            Self::Transport(error) => error,
            Self::NoResponders => TransportError::Unreachable {
                url,
                reason: format!("no reply to: {what} (the stream does not exist or has no leader)"),
            },
            Self::Refused(refusal) if STORE_FULL.contains(&refusal.err_code) => {
                TransportError::StoreFull {
                    what: what.to_owned(),
                    reason: refusal.full_store_words(),
                    awaited: None,
                }
            }
            Self::Refused(refusal) => {
                let what = what.to_owned();
                let reason =
                    format!("{} (JetStream error {})", refusal.description, refusal.err_code);
                if refusal.is_transient() {
                    TransportError::Unavailable { what, reason }
                } else {
                    TransportError::Rejected { what, reason }
                }
            }
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
