//! The audit log: who changed what, on how much, and why. Best effort beside the action itself: an
//! entry that cannot be written undoes nothing.

use std::time::Duration;

use bytes::Bytes;
use naq_core::clock::Timestamp;
use naq_core::names::JobId;
use naq_core::redact::Redactor;
use naq_core::transport::{Expect, StateEntry, StateKey, StateKeyError, TransportError};
use serde::{Deserialize, Serialize};

use crate::Client;

/// How long an entry is kept: 30 days.
pub const AUDIT_TTL: Duration = Duration::from_secs(30 * DAY_SECS);
/// Entries that a page holds at most.
pub const MAX_AUDIT_PAGE: usize = 500;
const DAY_SECS: u64 = 86_400;
/// Days that may hold an entry: the whole days of its time to live, and the two at its ends.
const DAYS: u64 = 32;
/// Entries read at once.
const READ: usize = 500;
/// Characters that are kept of a text.
const MAX_TEXT: usize = 500;

/// One action of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its name, in the order of time; [`Client::audit`] gives it.
    pub id: String,
    /// When; [`Client::audit`] fills it in.
    pub at: Timestamp,
    /// Who: `user@host`, a login of the dashboard, or `local`.
    pub who: String,
    /// The verb, as the CLI has it: `requeue`, `purge`, `pause`.
    pub what: String,
    /// On what, in words: `344 dead letters of queue mail`.
    pub scope: String,
    /// On how many, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Why; empty where nobody said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// A page of the log, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct AuditPage {
    /// The entries.
    pub entries: Vec<AuditEntry>,
    /// What to ask for the next page [before](AuditQuery::before); none after the last.
    pub next: Option<String>,
}

/// Which part of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditQuery {
    /// Entries older than the one of this name; none for the newest.
    pub before: Option<String>,
    /// At most so many, and no more than [`MAX_AUDIT_PAGE`]; 50 by default.
    pub limit: usize,
}

impl Default for AuditQuery {
    fn default() -> Self {
        Self { before: None, limit: 50 }
    }
}

impl AuditEntry {
    /// An action that is done now. Texts are cut to 500 characters; who and why are kept without
    /// secrets.
    pub fn new(who: impl AsRef<str>, what: impl AsRef<str>, scope: impl AsRef<str>) -> Self {
        Self {
            id: String::new(),
            at: Timestamp::default(),
            who: operator_text(who),
            what: clip(what),
            scope: clip(scope),
            count: None,
            reason: String::new(),
        }
    }

    /// On how many.
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// Why.
    #[must_use]
    pub fn reason(mut self, reason: impl AsRef<str>) -> Self {
        self.reason = operator_text(reason);
        self
    }

    /// `audit.<day>.<id>`: by day, since entries are read newest first and listed oldest first.
    fn key(&self) -> Result<StateKey, StateKeyError> {
        day(self.at.as_millis() / 1000 / DAY_SECS)?.join(&self.id)
    }

    fn read(entry: &StateEntry) -> Option<Self> {
        serde_json::from_slice(&entry.value).ok()
    }
}

/// What an operator has said, as it is kept: without secrets, and short enough to stand in a job.
pub(crate) fn operator_text(text: impl AsRef<str>) -> String {
    clip(Redactor::default().redact_text(text.as_ref()))
}

fn clip(text: impl AsRef<str>) -> String {
    text.as_ref().chars().take(MAX_TEXT).collect()
}

fn day(number: u64) -> Result<StateKey, StateKeyError> {
    StateKey::new(["audit", &number.to_string()])
}

impl Client {
    /// Records an action, for 30 days. Call it when the action is done, with what it did; where that
    /// fails, say so and go on.
    ///
    /// ```no_run
    /// # use naq_client::{AuditEntry, Client};
    /// # use naq_core::transport::TransportError;
    /// # async fn f(client: Client) -> Result<(), TransportError> {
    /// let done = AuditEntry::new("ann@desk", "purge", "queue mail").count(17).reason("test data");
    /// client.audit(done).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn audit(&self, entry: AuditEntry) -> Result<AuditEntry, TransportError> {
        let at = self.clock.now();
        // Fixed in length, so that ids sort by time; and of two in one millisecond both are kept.
        let random = JobId::random();
        let tail = &random.as_str()[random.as_str().len() - 8..];
        let entry = AuditEntry { id: format!("{:014}-{tail}", at.as_millis()), at, ..entry };
        let value = serde_json::to_vec(&entry).map(Bytes::from).map_err(|err| {
            TransportError::Rejected { what: "write the audit log".into(), reason: err.to_string() }
        })?;
        let key = entry.key().map_err(refused)?;
        self.transport.state_put(&key, value, Expect::Any, Some(AUDIT_TTL)).await?;
        Ok(entry)
    }

    /// A page of what was [recorded](Self::audit), newest first. Reads the days that the page is of,
    /// and no others.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn audit_log(&self, query: &AuditQuery) -> Result<AuditPage, TransportError> {
        let limit = query.limit.clamp(1, MAX_AUDIT_PAGE);
        let before = query.before.as_deref();
        let named = before.and_then(|id| id.split('-').next()?.parse::<u64>().ok());
        // Clocks differ: an entry may be of a day that begins elsewhere a little earlier.
        let tomorrow = self.clock.now() + Duration::from_secs(DAY_SECS);
        let newest = named.unwrap_or(tomorrow.as_millis()) / 1000 / DAY_SECS;
        let mut page = AuditPage::default();
        for number in (newest.saturating_sub(DAYS)..=newest).rev() {
            let mut found = self.audit_day(number).await?;
            found.retain(|entry| before.is_none_or(|before| entry.id.as_str() < before));
            found.sort_unstable_by(|a, b| b.id.cmp(&a.id));
            found.dedup_by(|a, b| a.id == b.id);
            let room = limit - page.entries.len();
            if found.len() > room {
                found.truncate(room);
                page.entries.extend(found);
                page.next = page.entries.last().map(|last| last.id.clone());
                break;
            }
            page.entries.extend(found);
        }
        Ok(page)
    }

    async fn audit_day(&self, number: u64) -> Result<Vec<AuditEntry>, TransportError> {
        let prefix = day(number).map_err(refused)?;
        let (mut entries, mut next) = (Vec::new(), Some(0));
        while let Some(from) = next {
            let page = self.transport.state_list(&prefix, from, READ).await?;
            entries.extend(page.entries.iter().filter_map(AuditEntry::read));
            next = page.next;
        }
        Ok(entries)
    }
}

fn refused(err: StateKeyError) -> TransportError {
    TransportError::Rejected { what: "the key of an audit entry".into(), reason: err.to_string() }
}
