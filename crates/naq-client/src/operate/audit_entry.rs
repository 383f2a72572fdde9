//! [`AuditEntry`]: one entry of the audit log.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::names::StateKeyError;
use naq_core::redact::Redactor;
use naq_core::transport::{StateEntry, TransportError};
use serde::{Deserialize, Serialize};

/// How long an audit entry is stored: 30 days.
pub const AUDIT_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The longest text, in characters; a longer one is cut.
const MAX_TEXT: usize = 500;

/// One action of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its id, in the order of time; [`Client::audit`](crate::Client::audit) sets it.
    pub id: String,
    /// When it was done; [`Client::audit`](crate::Client::audit) sets it.
    pub at: Timestamp,
    /// Who did it: `user@host`, a login of the dashboard, or `local`.
    pub who: String,
    /// The action, as the CLI names it: `requeue`, `purge`, `pause`.
    pub what: String,
    /// What it was done to, in words: `344 dead letters of queue mail`.
    pub scope: String,
    /// How many it was done to, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Why; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The hash of the entry before it; [`Client::audit`](crate::Client::audit) sets it. `None` for the first entry, and for one of
    /// a version before 0.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<String>,
}

impl AuditEntry {
    /// An action that was just done. Texts are cut to 500 characters; `who` and `reason` are stored
    /// without secrets.
    pub fn new(who: impl AsRef<str>, what: impl AsRef<str>, scope: impl AsRef<str>) -> Self {
        Self {
            id: String::new(),
            at: Timestamp::default(),
            who: operator_text(who),
            what: clip(what),
            scope: clip(scope),
            count: None,
            reason: String::new(),
            prev: None,
        }
    }

    /// Sets how many it was done to.
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// Sets the reason.
    #[must_use]
    pub fn reason(mut self, reason: impl AsRef<str>) -> Self {
        self.reason = operator_text(reason);
        self
    }

    pub(super) fn read(entry: &StateEntry) -> Option<Self> {
        serde_json::from_slice(&entry.value).ok()
    }
}

/// An operator's text as it is stored: without secrets, and short enough to be part of a job.
pub(crate) fn operator_text(text: impl AsRef<str>) -> String {
    clip(Redactor::default().redact_text(text.as_ref()))
}

fn clip(text: impl AsRef<str>) -> String {
    text.as_ref().chars().take(MAX_TEXT).collect()
}

pub(super) fn refused(err: StateKeyError) -> TransportError {
    TransportError::Rejected { what: "the key of an audit entry".into(), reason: err.to_string() }
}
