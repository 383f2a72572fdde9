//! [`SecretKeys`]: which keys have a secret as their value.

use std::sync::Arc;

/// The text that replaces a secret.
pub const REDACTED: &str = "[redacted]";

/// The keys that are secret by default, in lower case and without `_` and `-`.
const KEYS: [&str; 17] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "authorization",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "credentials",
    "cookie",
    "ssn",
    "card",
    "cvv",
    "cvc",
];
/// With one of these words a plural is a limit or a count, not a secret: `max_tokens`.
const COUNTED: [&str; 7] = ["max", "min", "num", "count", "total", "limit", "used"];
/// A shorter key matches only whole words: `card` matches `card_number`, but not `discard`.
const MIN_ENDING: usize = 5;

/// The keys whose values are secret: lower case, only letters and digits. Empty if nothing is redacted.
#[derive(Debug, Clone)]
pub(super) struct SecretKeys(Arc<[String]>);

impl SecretKeys {
    /// The keys that are secret by default.
    pub(super) fn common() -> Self {
        Self(KEYS.map(str::to_owned).into())
    }

    pub(super) fn none() -> Self {
        Self(Arc::default())
    }

    /// These keys and one more.
    pub(super) fn and(&self, key: String) -> Self {
        Self(self.0.iter().cloned().chain([key]).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn find(&self, key: &str) -> KeyMatch {
        let words = words(key);
        if self.is_secret(&plain(key), &words) {
            return KeyMatch::Secret;
        }
        let Some((last, before)) = words.split_last() else { return KeyMatch::NotSecret };
        let Some(last) = last.strip_suffix('s') else { return KeyMatch::NotSecret };
        if before.iter().any(|word| COUNTED.contains(&word.as_str())) {
            return KeyMatch::NotSecret;
        }
        let one: Vec<String> = before.iter().cloned().chain([last.to_owned()]).collect();
        if self.is_secret(&one.concat(), &one) {
            KeyMatch::SecretsOrCount
        } else {
            KeyMatch::NotSecret
        }
    }

    fn is_secret(&self, whole: &str, words: &[String]) -> bool {
        self.0.iter().any(|secret| {
            (secret.len() >= MIN_ENDING && whole.ends_with(secret.as_str()))
                || words.contains(secret)
                || words.windows(2).any(|pair| pair.concat() == *secret)
        })
    }
}

/// What the value of a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyMatch {
    /// Not a secret.
    NotSecret,
    /// A secret.
    Secret,
    /// Several secrets, or the number of them.
    SecretsOrCount,
}

/// Whether the text is a number.
pub(super) fn is_count(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '_'))
}

/// The letters and digits of a key, in lower case.
pub(super) fn plain(key: &str) -> String {
    key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The words of a key, in lower case: `x-apiKey_id` gives `x`, `api`, `key`, `id`.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower_before = false;
    for c in key.chars() {
        let begins = !c.is_alphanumeric() || (c.is_uppercase() && lower_before);
        if begins && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        lower_before = c.is_lowercase() || c.is_numeric();
        if let Some(word) = words.last_mut()
            && c.is_alphanumeric()
        {
            word.extend(c.to_lowercase());
        }
    }
    words
}
