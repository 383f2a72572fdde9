//! [`ApiKeys`]: all keys of a gateway, one a line.

use std::str::FromStr;
use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::{ApiKey, hash};

/// All keys of a gateway. As text: one [`ApiKey`] a line; empty lines and lines that begin with `#` do
/// not count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApiKeys(Vec<Arc<ApiKey>>);

/// The text is not a list of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyListError {
    /// A line is not a key. The error does not repeat the line.
    #[error("line {line} is not a key: {why}")]
    Line {
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// Two keys have the same name.
    #[error("the key {0} is there twice: remove one of the two lines")]
    Twice(String),
}

impl ApiKeys {
    /// The keys.
    pub fn iter(&self) -> impl Iterator<Item = &ApiKey> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key with this secret. It compares with every key, so that the time of the answer says nothing.
    pub(crate) fn of_secret(&self, secret: &str) -> Option<Arc<ApiKey>> {
        let given = hash(secret);
        self.0.iter().fold(None, |found, key| match bool::from(key.hash().ct_eq(&given)) {
            true => Some(key.clone()),
            false => found,
        })
    }
}

impl FromStr for ApiKeys {
    type Err = KeyListError;

    fn from_str(text: &str) -> Result<Self, KeyListError> {
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let mut keys = Vec::<Arc<ApiKey>>::new();
        for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let key = line.parse::<ApiKey>();
            let key = key.map_err(|why| KeyListError::Line { line: number, why })?;
            if keys.iter().any(|other| other.name == key.name) {
                return Err(KeyListError::Twice(key.name));
            }
            keys.push(Arc::new(key));
        }
        Ok(Self(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_secret_and_keeps_its_rights_as_text() {
        let (mut key, secret) = ApiKey::generate("web").expect("a key");
        key.queues = "mail,reports".parse().expect("queues");
        key.tasks = "email.*".parse().expect("tasks");
        key.rate = Some(50);
        let keys: ApiKeys = format!("# our keys\n\n{key}\n").parse().expect("a list");
        assert_eq!(keys.iter().collect::<Vec<_>>(), [&key]);
        assert_eq!(keys.of_secret(&secret).as_deref(), Some(&key));
        assert_eq!(keys.of_secret(&secret[..secret.len() - 1]), None);
        assert!(!format!("{key}").contains(&secret), "the line does not have the secret");
        assert_ne!(ApiKey::generate("web").expect("a key").1, secret);
    }

    #[test]
    fn a_wrong_line_is_named_and_not_repeated() {
        let (key, _) = ApiKey::generate("web").expect("a key");
        for (text, says) in [
            ("web".to_owned(), "line 1"),
            (format!("{key} surname=x"), "surname"),
            (format!("{key}\n{key}"), "web is there twice"),
            (format!("{key} rate=0"), "rate"),
            (format!("{key} queues="), "queues"),
            ("a/b sha256:00".to_owned(), "the name of a key"),
        ] {
            let err = text.parse::<ApiKeys>().expect_err("a mistake").to_string();
            assert!(err.contains(says) && !err.contains("sha256:00"), "{err}");
        }
    }
}
