//! [`BatchId`]: the id of a batch, short enough to be typed.

use std::fmt;

use naq_core::clock::Timestamp;
use naq_core::wire::Nonce;
use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};

/// The id of a batch. Ids sort by the time of the start.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct BatchId(String);

impl BatchId {
    /// The longest id, in bytes.
    pub const MAX_LEN: usize = 40;

    /// A new id.
    pub(super) fn new(now: Timestamp) -> Self {
        let random = Nonce::random();
        Self(format!("{:011x}{}", now.as_millis(), &random.as_str()[..4]))
    }

    /// `None` for a text that is not a valid id.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX_LEN).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        fits.then(|| Self(text.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for BatchId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let expected = &"up to 40 letters, digits or `-`";
        Self::parse(&text).ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), expected))
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
