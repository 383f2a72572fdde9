//! [`SealedText`]: an encrypted value, as bodies have it.

use super::codec::Codec;

/// How every encrypted value begins.
pub(crate) const SEALED: &str = "naq:sealed:1:";

/// An encrypted value. In both codecs it is a string: `naq:sealed:1:KEY:DATA`, and on the runs of a
/// schedule `naq:sealed:1:KEY:SCHEDULE:DATA`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SealedText<'a> {
    /// The id of the key.
    pub(crate) key: &'a str,
    /// The schedule whose runs have the value.
    pub(crate) schedule: Option<&'a str>,
    /// Salt, ciphertext and tag, in base64.
    pub(crate) data: &'a str,
}

impl<'a> SealedText<'a> {
    /// Reads an encoded value. None if it is not encrypted.
    pub(crate) fn read(codec: Codec, bytes: &'a [u8]) -> Option<Self> {
        let text = match codec {
            Codec::Json => bytes.strip_prefix(b"\"")?.strip_suffix(b"\"")?,
            Codec::MsgPack => &bytes[string_header(*bytes.first()?)?.min(bytes.len())..],
        };
        let rest = text.strip_prefix(SEALED.as_bytes())?;
        let mut parts = std::str::from_utf8(rest).ok()?.split(':');
        let (key, second, third) = (parts.next()?, parts.next()?, parts.next());
        let (schedule, data) = third.map_or((None, second), |third| (Some(second), third));
        parts.next().is_none().then_some(Self { key, schedule, data })
    }
}

/// The length of the header of a MessagePack string that begins with this byte.
fn string_header(first: u8) -> Option<usize> {
    match first {
        0xa0..=0xbf => Some(1),
        0xd9 => Some(2),
        0xda => Some(3),
        0xdb => Some(5),
        _ => None,
    }
}
