//! Small things that all workers share: a key, a value, and a revision to compare and set by.
//!
//! Everything beyond the job itself that a cluster must agree on lives here: keys of unique jobs,
//! limits, breakers, budgets, schedules, progress, edges of workflows.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::TransportError;
use crate::clock::Timestamp;

/// The name of an entry: tokens with dots between, most general first, as in `unique.order=2317`.
/// A key is also the prefix of every key that goes on after a dot, though not of itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateKey(Arc<str>);

/// A text that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid state key {0:?}: use 1 to 512 bytes in tokens of letters, digits, `_`, `-`, `=`")]
pub struct StateKeyError(String);

impl StateKey {
    /// The longest key, in bytes: a subject as brokers still like them.
    pub const MAX_LEN: usize = 512;

    /// The key of these tokens, whatever is in them: what is neither letter, digit, `_` nor `-` is
    /// written as `=` and two hexadecimal digits a byte, so that different tokens stay different.
    ///
    /// # Errors
    /// [`StateKeyError`] when there is no token, one is empty, or all are too long together.
    pub fn new<T: AsRef<str>>(tokens: impl IntoIterator<Item = T>) -> Result<Self, StateKeyError> {
        let tokens: Vec<_> = tokens.into_iter().map(|token| escape(token.as_ref())).collect();
        tokens.join(".").parse()
    }

    /// This key with one more token.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn join(&self, token: impl AsRef<str>) -> Result<Self, StateKeyError> {
        format!("{self}.{}", escape(token.as_ref())).parse()
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its tokens, as they were given to [`new`](Self::new).
    pub fn tokens(&self) -> impl Iterator<Item = String> {
        self.0.split('.').map(unescape)
    }

    /// Whether `other` goes on after this key: `a.b` covers `a.b.c`, and neither itself nor `a.bc`.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.strip_prefix(&*self.0).is_some_and(|rest| rest.starts_with('.'))
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn escape(token: &str) -> String {
    let mut out = String::with_capacity(token.len());
    for byte in token.bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("={byte:02X}"));
        }
    }
    out
}

fn unescape(token: &str) -> String {
    let mut out = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, code.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'=', Some(byte)) => {
                out.push(byte);
                rest = &tail[2..];
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl FromStr for StateKey {
    type Err = StateKeyError;

    fn from_str(text: &str) -> Result<Self, StateKeyError> {
        let token = |t: &str| !t.is_empty() && t.bytes().all(|b| is_plain(b) || b == b'=');
        if text.len() <= Self::MAX_LEN && text.split('.').all(token) {
            Ok(Self(text.into()))
        } else {
            Err(StateKeyError(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What stands under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateEntry {
    /// The key.
    pub key: StateKey,
    /// Which version of it; later ones are greater, over all keys.
    pub revision: u64,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// The value, never empty.
    pub value: Bytes,
}

/// What must stand under a key for a new value to be stored there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Whatever.
    Any,
    /// Nothing.
    Absent,
    /// The entry of this revision.
    Revision(u64),
}

/// Whether a value was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// It was, under this revision.
    Stored(u64),
    /// It was not: something else than what was expected stands there.
    Conflict,
}

/// A page of entries, oldest revision first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatePage {
    /// The entries.
    pub entries: Vec<StateEntry>,
    /// The revision at which the next page begins; none after the last.
    pub next: Option<u64>,
    /// How many entries come after this page; what was removed in the last second may count too.
    pub left: u64,
}

/// A key whose entry changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    /// The key.
    pub key: StateKey,
    /// What stands there now; none when it was removed or its time was up.
    pub entry: Option<StateEntry>,
}

/// The changes under one prefix. Of an entry that changes often, some versions may be left out,
/// never the last; a removal may be told of an entry that was not.
#[async_trait]
pub trait StateWatch: Send + fmt::Debug {
    /// The next change; what stood there when the watch began comes first, as changes. None once
    /// the watch is broken off, with the connection for example: forget what it told and begin
    /// another one. Nothing is lost when this is dropped before it is done.
    async fn next(&mut self) -> Option<StateChange>;
}

/// Keeps what all workers share: small values, some thousands of them.
#[async_trait]
pub trait StateStore: Send + Sync + 'static {
    /// What stands under each of these keys, in their order.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn state_get(&self, keys: &[StateKey])
    -> Result<Vec<Option<StateEntry>>, TransportError>;

    /// Stores a value, for `ttl` (rounded up to whole seconds) or until it is removed; a value that
    /// takes its place has a lifetime of its own. Returns once the broker has it. When a transport
    /// asks again after a lost answer, its own first try is no conflict. Nothing is expected of
    /// what was removed or has expired: it is [`Expect::Absent`].
    ///
    /// # Errors
    /// [`TransportError::Rejected`] for an empty value, [`TransportError::TooLarge`],
    /// [`TransportError::Permission`] among others. After a time-out it may be stored.
    async fn state_put(
        &self,
        key: &StateKey,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
    ) -> Result<Saved, TransportError>;

    /// Removes an entry, if it is what is expected there. [`Saved::Stored`] also when nothing
    /// stood there and nothing had to.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn state_remove(&self, key: &StateKey, expect: Expect) -> Result<Saved, TransportError>;

    /// Entries that `prefix` [covers](StateKey::covers), from revision `from` on, at most `limit`
    /// (fewer do not mean that it was the last page). An entry that is stored anew meanwhile comes
    /// on a later page, perhaps once more.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn state_list(
        &self,
        prefix: &StateKey,
        from: u64,
        limit: usize,
    ) -> Result<StatePage, TransportError>;

    /// Watches what `prefix` [covers](StateKey::covers).
    ///
    /// # Errors
    /// [`TransportError`].
    async fn state_watch(&self, prefix: &StateKey) -> Result<Box<dyn StateWatch>, TransportError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_any_text_come_back_and_stay_apart() {
        for text in ["plain-1_x", "order 2317", "ä.b*>", "=41", "a=b", "%", "\u{1f600}\n"] {
            let key = StateKey::new(["unique", text]).expect("a key");
            assert_eq!(key.tokens().collect::<Vec<_>>(), ["unique", text]);
            assert_eq!(key.as_str().parse(), Ok(key));
        }
        assert_ne!(StateKey::new(["=41"]), StateKey::new(["A"]));
    }

    #[test]
    fn what_would_be_no_subject_is_refused() {
        let long = "x".repeat(513);
        for bad in ["", ".", "a.", "a..b", "a b", "a*", ">", &long] {
            assert!(bad.parse::<StateKey>().is_err(), "{bad}");
        }
        assert!(StateKey::new(["a", ""]).is_err() && StateKey::new([""; 0]).is_err());
    }

    #[test]
    fn a_key_covers_what_goes_on_after_a_dot() {
        let key = |s: &str| s.parse::<StateKey>().expect("a key");
        assert!(key("a.b").covers(&key("a.b.c")) && key("a").covers(&key("a.b.c")));
        for other in ["a.b", "a.bc", "a"] {
            assert!(!key("a.b").covers(&key(other)), "{other}");
        }
    }
}
