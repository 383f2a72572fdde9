//! [`BatchId`]: the name of a batch, short enough to be typed.

use std::fmt;
use std::str::FromStr;

use naq_core::clock::Timestamp;
use naq_core::wire::Nonce;
use serde::{Deserialize, Deserializer, Serialize};

use crate::batch::BatchError;

/// The name of a batch: one that was started later sorts later.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct BatchId(String);

impl BatchId {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 40;

    /// A fresh one.
    pub(super) fn new(now: Timestamp) -> Self {
        let random = Nonce::random();
        Self(format!("{:011x}{}", now.as_millis(), &random.as_str()[..4]))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BatchId {
    type Err = BatchError;

    fn from_str(text: &str) -> Result<Self, BatchError> {
        let fits = (1..=Self::MAX_LEN).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if fits { Ok(Self(text.to_owned())) } else { Err(BatchError::id(text)) }
    }
}

impl<'de> Deserialize<'de> for BatchId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
