//! The bytes of a compressed value: its codec, its size, and a block of LZ4.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::wire::{COMPRESSED, Codec, Payload};

/// The bytes before the block: the codec, and the size as four bytes.
const HEAD: usize = 5;
/// A block of LZ4 of N bytes has at most 255 times N bytes of plain text. A larger size is a lie, and no memory is
/// taken for it.
const MAX_RATIO: usize = 255;

/// A compressed value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompressError {
    /// The value is larger than its place allows. It was not decompressed.
    #[error("decompressed it would have {size} bytes, more than the {max} that are allowed here")]
    TooLarge {
        /// The size that the value says.
        size: usize,
        /// The most bytes that are allowed.
        max: usize,
    },
    /// The value was cut or changed.
    #[error("it cannot be decompressed: it was cut or changed")]
    Broken,
}

/// Compresses the value. None if it is too large for this form.
pub(super) fn compress(plain: &Payload) -> Option<Vec<u8>> {
    let size = u32::try_from(plain.bytes().len()).ok()?;
    let codec = match plain.codec() {
        Codec::Json => b'J',
        Codec::MsgPack => b'M',
    };
    let mut bytes = vec![codec];
    bytes.extend_from_slice(&size.to_be_bytes());
    bytes.extend_from_slice(&lz4_flex::block::compress(plain.bytes()));
    Some(bytes)
}

/// Reads what [`compress`] wrote. Takes no memory for a value of more than `max` bytes.
pub(super) fn decompress(bytes: &[u8], max: usize) -> Result<Payload, CompressError> {
    let (head, block) = bytes.split_first_chunk::<HEAD>().ok_or(CompressError::Broken)?;
    let [codec, size @ ..] = *head;
    let codec = match codec {
        b'J' => Codec::Json,
        b'M' => Codec::MsgPack,
        _ => return Err(CompressError::Broken),
    };
    let size = usize::try_from(u32::from_be_bytes(size)).map_err(|_| CompressError::Broken)?;
    if size > max {
        return Err(CompressError::TooLarge { size, max });
    }
    if size > block.len().saturating_mul(MAX_RATIO) {
        return Err(CompressError::Broken);
    }
    let mut plain = vec![0; size];
    match lz4_flex::block::decompress_into(block, &mut plain) {
        Ok(written) if written == size => Ok(Payload::from_raw(codec, plain.into())),
        _ => Err(CompressError::Broken),
    }
}

/// The text that holds these bytes in a body.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    let mut text = COMPRESSED.to_owned();
    URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
    text
}

/// The bytes behind the prefix of a text. None if they are not base64.
pub(crate) fn block_of(data: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(data).ok()
}
