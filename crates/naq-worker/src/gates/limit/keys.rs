//! Errors of limit keys.

use std::fmt::Display;

use naq_core::transport::TransportError;

/// A key that was checked when its job was read is never refused.
pub(super) fn rejected(err: impl Display) -> TransportError {
    TransportError::Rejected { what: "use a limit".into(), reason: err.to_string() }
}
