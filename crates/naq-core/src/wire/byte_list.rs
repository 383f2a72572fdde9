//! [`ByteList`]: bytes that a signature or a cipher covers.

use serde::Serialize;

use super::codec::{Codec, EncodeError};

/// Named values, each with its length, so that no value can pretend to be the next one.
#[derive(Debug)]
pub(crate) struct ByteList(Vec<u8>);

impl ByteList {
    pub(crate) fn new(first_line: &str, size: usize) -> Self {
        let mut bytes = Vec::with_capacity(size);
        bytes.extend_from_slice(first_line.as_bytes());
        Self(bytes)
    }

    pub(crate) fn put(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        self.0.extend_from_slice(format!("{name} {}\n", value.len()).as_bytes());
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }

    pub(crate) fn put_some(&mut self, name: &str, value: Option<impl AsRef<[u8]>>) {
        match value {
            Some(value) => self.put(name, value),
            None => self.put(name, ""),
        }
    }

    /// The value as JSON.
    pub(crate) fn put_json<T: Serialize>(
        &mut self,
        name: &str,
        value: Option<&T>,
    ) -> Result<(), EncodeError> {
        let json = value.map(|value| Codec::Json.encode(name, value)).transpose()?;
        self.put_some(name, json);
        Ok(())
    }

    /// The bytes.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}
