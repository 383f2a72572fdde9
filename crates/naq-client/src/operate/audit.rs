//! The audit log: who did what, to how many jobs, and why. Best effort: if an entry cannot be
//! written, its action stays done.

use std::time::Duration;

use naq_core::names::{StateKey, StateKeyError};
use naq_core::transport::{StateStore, TransportError};
use serde::Serialize;

use super::audit_chain::{self, LogRange, number_in_id};
use super::audit_entry::{AuditEntry, refused};
use crate::Client;

/// The most entries of a page.
pub const MAX_AUDIT_PAGE: usize = 500;
const DAY_SECS: u64 = 86_400;
/// Days that may contain entries: the whole days of the time to live, and the two days at its ends.
const DAYS: u64 = 32;
/// Entries that one request reads.
const READ: usize = 500;

/// A page of the log, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct AuditPage {
    /// The entries.
    pub entries: Vec<AuditEntry>,
    /// The [`before`](AuditQuery::before) of the next page; `None` after the last page.
    pub next: Option<String>,
}

/// A part of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only entries that are older than the entry with this id; `None` for the newest.
    pub before: Option<String>,
    /// The most entries, up to [`MAX_AUDIT_PAGE`]; 50 by default.
    pub limit: usize,
}

impl Default for AuditQuery {
    fn default() -> Self {
        Self { before: None, limit: 50 }
    }
}

/// `audit.<day>`: the prefix of the keys of old entries.
fn day(number: u64) -> Result<StateKey, StateKeyError> {
    StateKey::new(["audit", &number.to_string()])
}

impl Client {
    /// Stores an audit entry for 30 days. Call it after the action, with the numbers of what it did.
    /// If it fails, report that and continue: the action is done.
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
        audit_chain::append(&*self.transport, AuditEntry { at: self.clock.now(), ..entry }).await
    }

    /// A page of the [audit entries](Self::audit), newest first. Reads only the days that the page
    /// covers.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn audit_log(&self, query: &AuditQuery) -> Result<AuditPage, TransportError> {
        let limit = query.limit.clamp(1, MAX_AUDIT_PAGE);
        // One more than asked for says whether there is a next page.
        let mut entries = self.numbered_entries(query.before.as_deref(), limit + 1).await?;
        if entries.len() <= limit {
            let of_old = query.before.as_deref().filter(|id| number_in_id(id).is_none());
            let room = limit + 1 - entries.len();
            entries.extend(self.old_entries(of_old, room).await?);
        }
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| more).map(|last| last.id.clone());
        Ok(AuditPage { entries, next })
    }

    /// At most `limit` entries of the [chain](audit_chain), newest first, before the entry with this id.
    async fn numbered_entries(
        &self,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<AuditEntry>, TransportError> {
        let store = &*self.transport;
        let mut entries = Vec::new();
        let named = before.map(number_in_id);
        if named == Some(None) {
            // The id of an old entry.
            return Ok(entries);
        }
        let Some(LogRange { first, last }) = audit_chain::range(store).await? else {
            return Ok(entries);
        };
        let mut end = named.flatten().map_or(last + 1, |number| number.min(last + 1));
        while entries.len() < limit && end > first {
            let wanted = (limit - entries.len()) as u64;
            let begin = end.saturating_sub(wanted).max(first);
            let found = audit_chain::read(store, begin, end - 1).await?;
            let values = found.iter().rev().filter_map(|(_, value)| value.as_deref());
            entries.extend(values.filter_map(|value| serde_json::from_slice(value).ok()));
            end = begin;
        }
        Ok(entries)
    }

    /// At most `limit` entries that a version before 0.2 wrote, newest first. They are in the state store by
    /// day, until their time is over.
    async fn old_entries(
        &self,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<AuditEntry>, TransportError> {
        let named = before.and_then(|id| id.split('-').next()?.parse::<u64>().ok());
        // Clocks differ: an entry may be from a day that has not started by this clock.
        let tomorrow = self.clock.now() + Duration::from_secs(DAY_SECS);
        let newest = named.unwrap_or(tomorrow.as_millis()) / 1000 / DAY_SECS;
        let mut entries = Vec::new();
        for number in (newest.saturating_sub(DAYS)..=newest).rev() {
            let mut found = read_day(&*self.transport, number).await?;
            found.retain(|entry| before.is_none_or(|before| entry.id.as_str() < before));
            found.sort_unstable_by(|a, b| b.id.cmp(&a.id));
            found.dedup_by(|a, b| a.id == b.id);
            found.truncate(limit - entries.len());
            entries.extend(found);
            if entries.len() >= limit {
                break;
            }
        }
        Ok(entries)
    }
}

async fn read_day(store: &dyn StateStore, number: u64) -> Result<Vec<AuditEntry>, TransportError> {
    let prefix = day(number).map_err(refused)?;
    let mut entries = Vec::new();
    let mut next = Some(0);
    while let Some(from) = next {
        let page = store.state_list(&prefix, from, READ).await?;
        entries.extend(page.entries.iter().filter_map(AuditEntry::read));
        next = page.next;
    }
    Ok(entries)
}
