//! The stored form of the audit log: entries numbered from 1, one state-store entry for each number. An
//! entry is stored only if its number is free, and names the hash of the entry before it. So the log has one
//! order, and an entry that was changed later no longer matches the next one.

use std::fmt::Write as _;

use bytes::Bytes;
use naq_core::names::StateKey;
use naq_core::transport::{Expect, Saved, StateStore, TransportError};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::audit_entry::{AUDIT_TTL, AuditEntry, refused};
use crate::Client;

/// How many entries one request reads.
const PAGE: u64 = 250;
/// How far behind the last entry the count of the broker may be.
const LOOK_AHEAD: u64 = 16;

/// How many of the oldest messages are read to find the first entry.
const FIRST: usize = 50;

/// What [`Client::verify_audit_log`] has found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct AuditCheck {
    /// How many entries the log has.
    pub entries: u64,
    /// The number of the oldest entry. Older ones have expired, if it is not 1.
    pub first: Option<u64>,
    /// The number of the newest entry.
    pub last: Option<u64>,
    /// The hash of the newest entry. No entry vouches for it yet: note it elsewhere, and compare it with the
    /// `prev` of the next entry.
    pub head: Option<String>,
    /// Where the log was changed, in words. Empty if it was not.
    pub faults: Vec<String>,
}

/// The numbers of the oldest and the newest entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogRange {
    pub(super) first: u64,
    pub(super) last: u64,
}

/// The hash of a stored entry: SHA-256 in hexadecimal digits.
fn hash(stored: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(stored) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn prefix() -> Result<StateKey, TransportError> {
    StateKey::new(["log"]).map_err(refused)
}

fn key(number: u64) -> Result<StateKey, TransportError> {
    StateKey::new(["log", &number.to_string()]).map_err(refused)
}

fn number_of(key: &StateKey) -> Option<u64> {
    key.tokens().nth(1)?.parse().ok()
}

/// The number in the id of an entry. `None` for an entry of an older version, whose log had no numbers.
pub(super) fn number_in_id(id: &str) -> Option<u64> {
    id.rsplit_once("-n")?.1.parse().ok()
}

/// The entries with these numbers, as they are stored.
pub(super) async fn read(
    store: &dyn StateStore,
    first: u64,
    last: u64,
) -> Result<Vec<(u64, Option<Bytes>)>, TransportError> {
    let mut found = Vec::new();
    let mut from = first;
    while from <= last {
        let to = last.min(from + PAGE - 1);
        let keys: Result<Vec<_>, _> = (from..=to).map(key).collect();
        let values = store.state_get(&keys?).await?;
        found.extend((from..=to).zip(values.into_iter().map(|it| it.map(|it| it.value))));
        from = to + 1;
    }
    Ok(found)
}

/// The range of the log. `None` for an empty one.
pub(super) async fn range(store: &dyn StateStore) -> Result<Option<LogRange>, TransportError> {
    let page = store.state_list(&prefix()?, 0, FIRST).await?;
    // Messages without a number were not written by NAQ.
    let mut numbers =
        page.entries.iter().map(|entry| number_of(&entry.key)).skip_while(Option::is_none);
    let Some(first) = numbers.next().flatten() else { return Ok(None) };
    let more = numbers.count() as u64 + page.left;
    // The broker's count may be a little too high or too low.
    let mut last = first;
    let mut guess = first + more;
    loop {
        let found = read(store, guess, guess + LOOK_AHEAD - 1).await?;
        let there = found.iter().take_while(|(_, value)| value.is_some()).last();
        match there {
            Some((number, _)) if *number == guess + LOOK_AHEAD - 1 => {
                (last, guess) = (*number, *number + 1);
            }
            Some((number, _)) => return Ok(Some(LogRange { first, last: *number })),
            None if guess > last + LOOK_AHEAD => guess -= LOOK_AHEAD,
            None if guess > last + 1 => guess = last + 1,
            None => return Ok(Some(LogRange { first, last })),
        }
    }
}

/// Appends an entry.
pub(super) async fn append(
    store: &dyn StateStore,
    entry: AuditEntry,
) -> Result<AuditEntry, TransportError> {
    let mut number = range(store).await?.map_or(0, |range| range.last);
    let mut last = read(store, number, number).await?.pop().and_then(|(_, value)| value);
    loop {
        number += 1;
        let entry = AuditEntry {
            id: format!("{:014}-n{number:010}", entry.at.as_millis()),
            prev: last.as_deref().map(hash),
            ..entry.clone()
        };
        let value = serde_json::to_vec(&entry).map(Bytes::from).map_err(|err| {
            TransportError::Rejected { what: "write the audit log".into(), reason: err.to_string() }
        })?;
        match store.state_put(&key(number)?, value, Expect::Absent, Some(AUDIT_TTL)).await? {
            Saved::Stored(_) => return Ok(entry),
            // Another process has taken the number.
            Saved::Conflict => {
                last = read(store, number, number).await?.pop().and_then(|(_, value)| value);
            }
        }
    }
}

/// Compares each entry with the one before it. `before` is the entry before the first one.
fn check(entries: &[(u64, Option<Bytes>)], before: Option<&Bytes>, faults: &mut Vec<String>) {
    let mut before = before;
    for (number, stored) in entries {
        let Some(stored) = stored else {
            faults.push(format!("entry {number} is missing"));
            before = None;
            continue;
        };
        match serde_json::from_slice::<AuditEntry>(stored) {
            Err(err) => faults.push(format!("entry {number} cannot be read: {err}")),
            Ok(entry) => {
                if number_in_id(&entry.id) != Some(*number) {
                    faults.push(format!("entry {number} has the id {}", entry.id));
                }
                let expected = before.map(|before| hash(before));
                // The entry before the oldest one has expired.
                if expected.is_some() && entry.prev != expected {
                    let last = number - 1;
                    faults
                        .push(format!("entry {number} does not follow entry {last} as it is now"));
                }
            }
        }
        before = Some(stored);
    }
}

impl Client {
    /// Reads the whole audit log, and compares each entry with the hash that the next one names. Entries of
    /// versions before 0.2 are not in this chain.
    ///
    /// # Errors
    /// [`TransportError`]. What is wrong with the log is no error, but in
    /// [`faults`](AuditCheck::faults).
    pub async fn verify_audit_log(&self) -> Result<AuditCheck, TransportError> {
        let store = &*self.transport;
        let Some(LogRange { first, last }) = range(store).await? else {
            return Ok(AuditCheck::default());
        };
        let mut found =
            AuditCheck { first: Some(first), last: Some(last), ..AuditCheck::default() };
        let mut before: Option<Bytes> = None;
        let mut from = first;
        while from <= last {
            let to = last.min(from + PAGE - 1);
            let entries = read(store, from, to).await?;
            check(&entries, before.as_ref(), &mut found.faults);
            found.entries += entries.iter().filter(|(_, value)| value.is_some()).count() as u64;
            before = entries.into_iter().next_back().and_then(|(_, value)| value);
            from = to + 1;
        }
        found.head = before.as_deref().map(hash);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Vec<(u64, Option<Bytes>)> {
        let mut entries: Vec<(u64, Option<Bytes>)> = Vec::new();
        for number in 1..=4 {
            let prev = entries.last().and_then(|(_, value)| value.as_deref()).map(hash);
            let id = format!("{number:014}-n{number}");
            let entry = AuditEntry { id, prev, ..AuditEntry::new("ann", "purge", "queue mail") };
            entries.push((number, serde_json::to_vec(&entry).ok().map(Bytes::from)));
        }
        entries
    }

    fn faults(entries: &[(u64, Option<Bytes>)]) -> Vec<String> {
        let mut faults = Vec::new();
        check(entries, None, &mut faults);
        faults
    }

    #[test]
    fn a_changed_a_missing_and_a_moved_entry_are_found() {
        let whole = chain();
        assert_eq!(faults(&whole), [""; 0]);
        assert_eq!(faults(&whole[2..]), [""; 0], "the first two have expired");
        let mut changed = chain();
        changed[1].1 = changed[1].1.as_ref().map(|value| {
            String::from_utf8_lossy(value).replace("mail", "test").into_bytes().into()
        });
        assert_eq!(faults(&changed), ["entry 3 does not follow entry 2 as it is now"]);
        let mut missing = chain();
        missing[2].1 = None;
        assert_eq!(faults(&missing), ["entry 3 is missing"]);
        let mut moved = chain();
        moved[1].1 = moved[0].1.clone();
        assert_eq!(faults(&moved).len(), 3, "{:?}", faults(&moved));
    }
}
