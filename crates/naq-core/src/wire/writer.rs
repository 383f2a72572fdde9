//! [`Writer`]: writes the body of a job in one pass, the counterpart of
//! [`Fields`](super::fields::Fields).

use bytes::Bytes;
use serde::Serialize;

use super::codec::{Codec, EncodeError};
use super::fields::Payload;

/// The bytes reserved for the header of a MessagePack map, which is written when the size is known.
const HEADER: usize = 5;

/// Writes one document, a map, field by field.
#[derive(Debug)]
pub(crate) struct Writer {
    codec: Codec,
    out: Vec<u8>,
    count: u32,
}

impl Writer {
    /// An empty map in `codec`, with memory for `size` bytes.
    pub(crate) fn new(codec: Codec, size: usize) -> Self {
        let mut out = Vec::with_capacity(size + HEADER);
        match codec {
            Codec::Json => out.push(b'{'),
            Codec::MsgPack => out.resize(HEADER, 0),
        }
        Self { codec, out, count: 0 }
    }

    /// Adds a field.
    pub(crate) fn put<T: Serialize + ?Sized>(
        &mut self,
        field: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.key(field);
        self.codec.encode_into(field, value, &mut self.out)
    }

    /// Adds a field if there is a value.
    pub(crate) fn put_some<T: Serialize>(
        &mut self,
        field: &'static str,
        value: Option<T>,
    ) -> Result<(), EncodeError> {
        value.map_or(Ok(()), |value| self.put(field, &value))
    }

    /// Adds a field with a value that is already encoded.
    pub(crate) fn put_raw(&mut self, field: &str, value: &Payload) -> Result<(), EncodeError> {
        self.key(field);
        self.out.extend_from_slice(value.transcode(self.codec)?.bytes());
        Ok(())
    }

    /// The number of bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    // Writing to memory cannot fail.
    fn key(&mut self, field: &str) {
        match self.codec {
            Codec::Json => {
                if self.count > 0 {
                    self.out.push(b',');
                }
                // The names that NAQ writes need no escapes.
                if field.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
                    self.out.push(b'"');
                    self.out.extend_from_slice(field.as_bytes());
                    self.out.push(b'"');
                } else {
                    let _ = serde_json::to_writer(&mut self.out, field);
                }
                self.out.push(b':');
            }
            Codec::MsgPack => {
                let _ = rmp::encode::write_str(&mut self.out, field);
            }
        }
        self.count += 1;
    }

    /// Ends the document and returns its bytes.
    pub(crate) fn finish(mut self) -> Bytes {
        match self.codec {
            Codec::Json => {
                self.out.push(b'}');
                self.out.into()
            }
            Codec::MsgPack => {
                let mut header = Vec::with_capacity(HEADER);
                let _ = rmp::encode::write_map_len(&mut header, self.count);
                let start = HEADER - header.len();
                self.out[start..HEADER].copy_from_slice(&header);
                Bytes::from(self.out).slice(start..)
            }
        }
    }
}
