//! [`StateKey`]: the key of an entry in the state store.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The key of an entry in the state store: tokens joined by dots, the most general first, as in
/// `unique.order=2D2317`. A key is also the prefix of every longer key that continues after a dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateKey(Arc<str>);

/// A text is not a valid state-store key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid state key {0:?}: use 1 to 512 bytes in tokens of letters, digits, `_`, `-`, `=`")]
pub struct StateKeyError(String);

impl StateKey {
    /// The longest key, in bytes. The key is part of a subject, and longer subjects slow a broker down.
    pub const MAX_LEN: usize = 512;

    /// The key made from these tokens. A byte that is not an ASCII letter, digit, `_` or `-` is written
    /// as `=` and two hexadecimal digits, so that different tokens give different keys.
    ///
    /// # Errors
    /// [`StateKeyError`] if there is no token, a token is empty, or the key is too long.
    pub fn new<T: AsRef<str>>(tokens: impl IntoIterator<Item = T>) -> Result<Self, StateKeyError> {
        let tokens: Vec<_> = tokens.into_iter().map(|token| escape(token.as_ref())).collect();
        tokens.join(".").parse()
    }

    /// This key with one more token.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn join(&self, token: impl AsRef<str>) -> Result<Self, StateKeyError> {
        format!("{self}.{}", escape(token.as_ref())).parse()
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tokens, as they were given to [`new`](Self::new).
    pub fn tokens(&self) -> impl Iterator<Item = String> {
        self.0.split('.').map(unescape)
    }

    /// Whether this key is a prefix of `other`: `a.b` covers `a.b.c`, but neither itself nor `a.bc`.
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
    fn a_name_that_cannot_be_part_of_a_subject_is_refused() {
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
