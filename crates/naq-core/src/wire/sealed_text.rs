//! [`SealedText`]: an encrypted value, as bodies have it.

use super::codec::Codec;
use super::string_text::string_text;

/// How every encrypted value begins that is not compressed.
pub(crate) const SEALED: &str = "naq:sealed:1:";
/// How every encrypted value begins that was compressed before.
pub(crate) const SEALED_COMPRESSED: &str = "naq:sealed:2:";

/// An encrypted value. In both codecs it is a string: `naq:sealed:1:KEY:DATA`, and on the runs of a
/// schedule `naq:sealed:1:KEY:SCHEDULE:DATA`. With 2 in place of 1, the value was compressed before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SealedText<'a> {
    /// Whether it was compressed before.
    pub(crate) compressed: bool,
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
        Self::parse(string_text(codec, bytes)?)
    }

    /// Reads the text itself. None if it is not encrypted.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        let plain = text.strip_prefix(SEALED.as_bytes()).map(|rest| (false, rest));
        let compressed = || Some((true, text.strip_prefix(SEALED_COMPRESSED.as_bytes())?));
        let (compressed, rest) = plain.or_else(compressed)?;
        let mut parts = std::str::from_utf8(rest).ok()?.split(':');
        let (key, second, third) = (parts.next()?, parts.next()?, parts.next());
        let (schedule, data) = third.map_or((None, second), |third| (Some(second), third));
        parts.next().is_none().then_some(Self { compressed, key, schedule, data })
    }
}
