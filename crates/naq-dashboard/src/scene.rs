//! [`Scene`]: what one page is rendered from.

use std::collections::BTreeMap;
use std::sync::Arc;

use naq_core::Timestamp;

use crate::access::Access;
use crate::app::App;
use crate::snapshot::Snapshot;

/// A page that is asked for, and what it is rendered from.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) app: &'a App,
    pub(crate) snapshot: Arc<Snapshot>,
    /// What this visitor may do.
    pub(crate) access: Access,
    /// The path below the prefix, without the slashes, decoded: `["queues", "mail"]`.
    pub(crate) path: Vec<String>,
    /// The query, decoded; of a name that comes twice the last.
    pub(crate) query: BTreeMap<String, String>,
    /// Only what changes by itself is wanted: no look-ups but those that the page shares with all
    /// tabs.
    pub(crate) live: bool,
}

impl Scene<'_> {
    /// The moment that the page shows.
    pub(crate) fn now(&self) -> Timestamp {
        self.app.client.now()
    }

    /// A value of the query, if it is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A link to a path of the dashboard, as `/queues/mail`.
    pub(crate) fn link(&self, path: &str) -> String {
        format!("{}{path}", self.app.options.prefix)
    }

    /// The link to this page with `name` set to `value` in the query, or without it.
    pub(crate) fn with(&self, name: &str, value: Option<&str>) -> String {
        let others = self.query.iter().filter(|(other, value)| *other != name && !value.is_empty());
        let mut pairs: Vec<(&str, &str)> = others.map(|(n, v)| (&**n, &**v)).collect();
        pairs.extend(value.map(|value| (name, value)));
        let path: Vec<_> = self.path.iter().map(|part| encode(part)).collect();
        let query: Vec<_> = pairs
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        let mark = if query.is_empty() { "" } else { "?" };
        self.link(&format!("/{}{mark}{}", path.join("/"), query.join("&")))
    }

    /// The link to this page with nothing but these in the query, those that are not empty.
    pub(crate) fn with_only(&self, pairs: &[(&str, &str)]) -> String {
        let path: Vec<_> = self.path.iter().map(|part| encode(part)).collect();
        let given = pairs.iter().filter(|(_, value)| !value.is_empty());
        let query: Vec<_> =
            given.map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        self.link(&format!("/{}{mark}{}", path.join("/"), query.join("&")))
    }
}

/// Percent-encodes what is not letter, digit or one of `-._~`.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Undoes [`encode`], and `+` for a space; what is no text becomes the replacement character.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = rest.as_slice_hex(byte);
        bytes.push(match (byte, hex) {
            (b'%', Some(value)) => {
                rest.nth(1);
                value
            }
            (b'+', _) => b' ',
            (byte, _) => byte,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

trait NextHex {
    fn as_slice_hex(&self, byte: u8) -> Option<u8>;
}

impl NextHex for std::str::Bytes<'_> {
    fn as_slice_hex(&self, byte: u8) -> Option<u8> {
        let mut ahead = self.clone();
        let digit = |b: u8| char::from(b).to_digit(16);
        (byte == b'%').then_some(())?;
        let (high, low) = (digit(ahead.next()?)?, digit(ahead.next()?)?);
        u8::try_from(high * 16 + low).ok()
    }
}
