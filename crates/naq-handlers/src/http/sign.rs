//! Signed requests: a service knows that one comes from a worker, and when it was made.

use std::fmt;

use naq_core::Timestamp;
use ring::hmac::{self, HMAC_SHA256};

/// The shortest key, in bytes.
const MIN_KEY: usize = 16;

/// One or two keys that sign requests to handlers. With two, a request has two signatures, so that
/// worker and service can change to a new key one after the other.
#[derive(Clone)]
pub struct Keys(Vec<hmac::Key>);

/// A key that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no key, or there are too many.
    #[error("{0} keys: give one, or two while you change them, separated by a comma")]
    Count(usize),
    /// A key is too short.
    #[error(
        "a handler key has {0} characters: use at least {MIN_KEY}; openssl rand -hex 32 makes one"
    )]
    Short(usize),
}

impl Keys {
    /// One or two keys, separated by a comma or a line end.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn new(text: &str) -> Result<Self, KeyError> {
        let keys: Vec<_> =
            text.split([',', '\n']).map(str::trim).filter(|key| !key.is_empty()).collect();
        if !(1..=2).contains(&keys.len()) {
            return Err(KeyError::Count(keys.len()));
        }
        match keys.iter().map(|key| key.len()).find(|len| *len < MIN_KEY) {
            Some(len) => Err(KeyError::Short(len)),
            None => {
                let key = |key: &&str| hmac::Key::new(HMAC_SHA256, key.as_bytes());
                Ok(Self(keys.iter().map(key).collect()))
            }
        }
    }

    /// The value of the header: `t=1732900000,v1=...`, with one `v1` a key. Each is the HMAC-SHA256
    /// of the seconds, a dot, the path, a dot, and the body.
    pub fn sign(&self, now: Timestamp, path: &str, body: &[u8]) -> String {
        let seconds = now.as_millis() / 1000;
        let mut header = format!("t={seconds}");
        for key in &self.0 {
            let mut context = hmac::Context::with_key(key);
            context.update(format!("{seconds}.{path}.").as_bytes());
            context.update(body);
            header.push_str(",v1=");
            for byte in context.sign().as_ref() {
                header.push_str(&format!("{byte:02x}"));
            }
        }
        header
    }
}

impl fmt::Debug for Keys {
    /// Never the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value is from another program:
    /// `printf '1732900000./naq/a.{}' | openssl dgst -sha256 -hmac 0123456789abcdef`.
    #[test]
    fn a_signature_is_the_one_that_other_programs_compute() {
        let keys = Keys::new("0123456789abcdef").expect("a key");
        let header = keys.sign(Timestamp::from_millis(1_732_900_000_999), "/naq/a", b"{}");
        assert_eq!(
            header,
            "t=1732900000,v1=5dc5ae15ba300e7922a6420d30fc34c70a7649073b7c98032da47768dbd0fe48"
        );
    }

    #[test]
    fn two_keys_make_two_signatures() {
        let both = Keys::new("0123456789abcdef, fedcba9876543210").expect("two keys");
        let header = both.sign(Timestamp::from_millis(0), "/", b"");
        assert_eq!(header.matches("v1=").count(), 2);
        assert_eq!(format!("{both:?}"), "Keys(2)");
    }

    #[test]
    fn keys_that_protect_nothing_are_refused() {
        assert_eq!(Keys::new(" , ").unwrap_err(), KeyError::Count(0));
        assert_eq!(Keys::new("short").unwrap_err(), KeyError::Short(5));
    }
}
