//! [`TrustedKeys`]: the public keys whose jobs are accepted, with the names of their owners.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use nkeys::KeyPair;

use super::key_format_error::KeyFormatError;
use crate::names::QueueName;

/// The longest name of a key, in bytes.
const MAX_NAME: usize = 64;

/// A public key that is accepted, with its name. Cheap to clone.
#[derive(Clone)]
pub struct TrustedKey {
    name: Arc<str>,
    public: Arc<str>,
    pair: Arc<KeyPair>,
    /// Empty for all queues.
    queues: Arc<[QueueName]>,
}

/// The public keys whose jobs are accepted. Empty by default. Cheap to clone.
///
/// As text, each line has a name, a public key, and the queues for which the key is accepted, separated
/// by commas. Without queues it is accepted for all. A `#` begins a comment.
///
/// ```
/// # let (web, ops) = (naq_core::sign::SigningKey::generate(), naq_core::sign::SigningKey::generate());
/// # let (web, ops) = (web.public(), ops.public());
/// let text = format!("web {web} mail,billing\nops {ops}  # all queues");
/// let keys: naq_core::sign::TrustedKeys = text.parse()?;
/// assert_eq!(keys.iter().map(|key| key.name()).collect::<Vec<_>>(), ["web", "ops"]);
/// # Ok::<(), naq_core::sign::TrustedKeysError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys(Arc<[TrustedKey]>);

/// A list of trusted keys is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct TrustedKeysError {
    line: usize,
    reason: String,
}

impl TrustedKey {
    /// A key with its name, accepted for these queues, or for all if there are none.
    ///
    /// # Errors
    /// [`KeyFormatError`] if it is not a public key in the form of nkeys, such as `U...`.
    pub fn new(
        name: impl Into<String>,
        public: &str,
        queues: impl IntoIterator<Item = QueueName>,
    ) -> Result<Self, KeyFormatError> {
        let pair = KeyPair::from_public_key(public);
        let pair = pair.map_err(|_| KeyFormatError("the public key of an nkey (U...)"))?;
        Ok(Self {
            name: name.into().into(),
            public: public.into(),
            pair: Arc::new(pair),
            queues: queues.into_iter().collect(),
        })
    }

    /// The name of its owner, as the list of keys says.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// Whether jobs that it signed may go into this queue.
    pub fn may_use(&self, queue: &QueueName) -> bool {
        self.queues.is_empty() || self.queues.contains(queue)
    }

    /// Whether it made this signature of these bytes.
    pub(super) fn signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        self.pair.verify(bytes, signature).is_ok()
    }
}

impl fmt::Debug for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedKey")
            .field("name", &self.name)
            .field("public", &self.public)
            .field("queues", &self.queues)
            .finish_non_exhaustive()
    }
}

impl TrustedKeys {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All keys, in the order of the list.
    pub fn iter(&self) -> std::slice::Iter<'_, TrustedKey> {
        self.0.iter()
    }

    /// The key with this public part.
    pub fn find(&self, public: &str) -> Option<&TrustedKey> {
        self.0.iter().find(|key| &*key.public == public)
    }
}

impl<'a> IntoIterator for &'a TrustedKeys {
    type Item = &'a TrustedKey;
    type IntoIter = std::slice::Iter<'a, TrustedKey>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<TrustedKey> for TrustedKeys {
    fn from_iter<I: IntoIterator<Item = TrustedKey>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

impl FromStr for TrustedKeys {
    type Err = TrustedKeysError;

    fn from_str(text: &str) -> Result<Self, TrustedKeysError> {
        let mut keys = Vec::<TrustedKey>::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let fault = |reason: String| TrustedKeysError { line: index + 1, reason };
            let words: Vec<_> = line.split_whitespace().collect();
            let (name, public, queues) = match words[..] {
                [] => continue,
                [name, public] => (name, public, ""),
                [name, public, queues] => (name, public, queues),
                _ => return Err(fault("write a name, a public key, and the queues if any".into())),
            };
            let fits = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
            if name.len() > MAX_NAME || !name.chars().all(fits) {
                let rule = "use 1 to 64 letters, digits, `_`, `-`, `.` or `@` for a name";
                return Err(fault(rule.into()));
            }
            let queues = queues.split(',').filter(|queue| !queue.is_empty()).map(QueueName::new);
            let queues = queues.collect::<Result<Vec<_>, _>>();
            let queues = queues.map_err(|err| fault(err.to_string()))?;
            if keys.iter().any(|key| key.public() == public) {
                return Err(fault(format!("the key of {name} is in the list twice")));
            }
            let key = TrustedKey::new(name, public, queues);
            keys.push(key.map_err(|err| fault(err.to_string()))?);
        }
        Ok(Self(keys.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::SigningKey;

    #[test]
    fn a_list_names_keys_and_the_queues_that_accept_them() {
        let (web, ops) = (SigningKey::generate(), SigningKey::generate());
        let text =
            format!("# who\n\nweb {} mail,billing # x\nops {}\n", web.public(), ops.public());
        let keys: TrustedKeys = text.parse().expect("a list");
        let [mail, other] = ["mail", "other"].map(|name| QueueName::new(name).expect("a name"));
        let found = keys.find(web.public()).expect("is in the list");
        assert!(found.may_use(&mail) && !found.may_use(&other));
        assert!(keys.find(ops.public()).is_some_and(|key| key.may_use(&other)));
    }

    #[test]
    fn a_wrong_list_is_refused_by_its_line_and_a_seed_in_it_is_not_shown() {
        let key = SigningKey::generate();
        let (public, seed) = (key.public(), key.seed());
        for (text, part) in [
            (format!("web {seed}"), "line 1: not the public key"),
            (format!("\nweb {public} a.b"), "line 2"),
            (format!("web {public}\nold {public}"), "line 2: the key of old is in the list twice"),
            (format!("we/b {public}"), "letters, digits"),
            ("web".to_owned(), "write a name"),
            (format!("a {public} b c"), "write a name"),
        ] {
            let err = text.parse::<TrustedKeys>().expect_err(part).to_string();
            assert!(err.contains(part) && !err.contains(&seed), "{err}");
        }
    }
}
