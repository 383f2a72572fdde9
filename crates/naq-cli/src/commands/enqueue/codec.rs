//! The value of `--serializer`.

use naq_core::Codec;
use naq_core::wire::CodecError;

/// Reads `json` or `msgpack`.
pub(super) fn parse_codec(text: &str) -> Result<Codec, String> {
    text.parse().map_err(|err: CodecError| err.to_string())
}
