//! Strings inside encoded values.

use super::codec::Codec;

/// How every compressed value begins that is not encrypted.
pub(crate) const COMPRESSED: &str = "naq:lz4:1:";

/// The text of an encoded string, as it is written: escapes of JSON stay. None for any other value.
pub(crate) fn string_text(codec: Codec, bytes: &[u8]) -> Option<&[u8]> {
    match codec {
        Codec::Json => bytes.strip_prefix(b"\"")?.strip_suffix(b"\""),
        Codec::MsgPack => bytes.get(string_header(*bytes.first()?)?..),
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
