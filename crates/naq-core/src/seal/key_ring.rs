//! [`KeyRing`]: the keys with which values are encrypted and decrypted.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::salt::random_bytes;

/// The longest id of a key, in bytes.
const MAX_ID: usize = 32;

/// A key, and the id by which encrypted values name it.
pub(super) struct Key {
    pub(super) id: String,
    pub(super) secret: [u8; 32],
}

/// The keys of a client. The first one encrypts; all of them decrypt. Cheap to clone.
///
/// As text, each line has an id (1 to 32 letters, digits, `_` or `-`) and 32 bytes in base64. A `#` begins
/// a comment. In a variable, write `ID=BASE64,ID=BASE64`.
///
/// To change the key without downtime: add the new key behind the old one in every program; then move
/// it to the front; and remove the old key when nothing that it encrypted is left.
#[derive(Clone)]
pub struct KeyRing(Arc<[Key]>);

/// A key ring is not valid. The error does not contain a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("key {index}: {reason}")]
pub struct KeyRingError {
    index: usize,
    reason: &'static str,
}

impl KeyRing {
    /// A new random key, in base64.
    pub fn generate_key() -> String {
        STANDARD.encode(random_bytes::<32>())
    }

    /// The id of the key that encrypts.
    pub fn current(&self) -> &str {
        &self.0[0].id
    }

    /// The ids of all keys. The first one encrypts.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.id.as_str())
    }

    pub(super) fn first(&self) -> &Key {
        &self.0[0]
    }

    pub(super) fn find(&self, id: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }
}

impl FromStr for KeyRing {
    type Err = KeyRingError;

    fn from_str(text: &str) -> Result<Self, KeyRingError> {
        let mut keys = Vec::<Key>::new();
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
        let entries = lines.flat_map(|line| line.split(',')).map(str::trim);
        for entry in entries.filter(|entry| !entry.is_empty()) {
            let fault = |reason| KeyRingError { index: keys.len() + 1, reason };
            let split = entry.split_once(|c: char| c == '=' || c.is_whitespace());
            let (id, secret) = split.ok_or_else(|| fault("write an id and the key in base64"))?;
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if !(1..=MAX_ID).contains(&id.len()) || !id.chars().all(fits) {
                return Err(fault("use 1 to 32 letters, digits, `_` or `-` for its id"));
            }
            let secret = STANDARD.decode(secret.trim()).ok().and_then(|it| it.try_into().ok());
            let secret = secret.ok_or_else(|| fault("the key must be 32 bytes in base64"))?;
            if keys.iter().any(|key| key.id == id) {
                return Err(fault("its id is in the list twice"));
            }
            keys.push(Key { id: id.to_owned(), secret });
        }
        if keys.is_empty() {
            return Err(KeyRingError { index: 1, reason: "there is none" });
        }
        Ok(Self(keys.into()))
    }
}

impl fmt::Debug for KeyRing {
    /// Writes only the ids.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyRing").field(&self.ids().collect::<Vec<_>>()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_lines_or_from_one_line_and_are_never_shown() {
        let [a, b] = [(); 2].map(|()| KeyRing::generate_key());
        for text in [format!("# keys\nk2 {a}\nk1\t{b} # old\n"), format!("k2={a},k1={b}")] {
            let ring: KeyRing = text.parse().expect("a ring");
            assert_eq!(ring.ids().collect::<Vec<_>>(), ["k2", "k1"]);
            assert_eq!(format!("{ring:?}"), r#"KeyRing(["k2", "k1"])"#);
        }
    }

    #[test]
    fn a_wrong_ring_is_refused_and_its_keys_are_not_shown() {
        let key = KeyRing::generate_key();
        for (text, part) in [
            (String::new(), "there is none"),
            (format!("k1 {key}\nk1 {key}"), "key 2: its id is in the list twice"),
            (format!("k.1 {key}"), "for its id"),
            (format!("k1 {}", &key[4..]), "32 bytes in base64"),
            (key.replace('=', ""), "write an id"),
        ] {
            let err = text.parse::<KeyRing>().expect_err(part).to_string();
            assert!(err.contains(part) && !err.contains(&key[8..20]), "{err}");
        }
    }
}
