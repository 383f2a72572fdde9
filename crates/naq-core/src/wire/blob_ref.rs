//! [`BlobRef`]: where a value is stored that is too large for a message.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::names::{JobId, NameError};

/// The name and the size of a blob of a job. A record has it in place of a large
/// result, and a job in place of large arguments. Its text form
/// is `NAME/BYTES`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobRef {
    name: JobId,
    bytes: usize,
}

/// A text is not a valid blob reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid blob {0:?}: expected NAME/BYTES")]
pub struct BlobRefError(String);

impl BlobRef {
    /// A reference with a new random name, for a blob of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { name: JobId::random(), bytes }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl fmt::Display for BlobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.bytes)
    }
}

impl FromStr for BlobRef {
    type Err = BlobRefError;

    fn from_str(text: &str) -> Result<Self, BlobRefError> {
        let invalid = || BlobRefError(text.chars().take(80).collect());
        let (name, bytes) = text.split_once('/').ok_or_else(invalid)?;
        let name = JobId::new(name).map_err(|_: NameError| invalid())?;
        Ok(Self { name, bytes: bytes.parse().map_err(|_| invalid())? })
    }
}

impl Serialize for BlobRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BlobRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_reference_round_trips_as_text() {
        let blob = BlobRef::new(5_000_000);
        assert_eq!(blob.to_string().parse(), Ok(blob));
        for bad in ["", "a", "a/", "/1", "a/-1", "a/1/2", "a b/1", "a.b/1", "*/1"] {
            assert!(bad.parse::<BlobRef>().is_err(), "{bad}");
        }
    }
}
