//! [`Compression`]: whether a client compresses what it stores.

use std::fmt;
use std::str::FromStr;

use super::block::{self, text_of};
use crate::wire::{EncodeError, Payload};

/// The shortest value that is compressed, in bytes. A message has about half a kibibyte of other fields and
/// headers, and costs the broker the same at any size of a few kibibytes. So the time is better spent elsewhere
/// for a smaller value.
pub const MIN_BYTES: usize = 4 * 1024;

/// Whether a client compresses large payloads: arguments, results, and checkpoints. All clients read them. Its
/// text form is `none` or `lz4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Compression {
    /// Nothing is compressed.
    #[default]
    None,
    /// Values of [`MIN_BYTES`] or more are compressed with LZ4, if that makes them an eighth smaller.
    ///
    /// Do not use it where a value has a secret beside text that an attacker chooses, and the attacker sees the
    /// size of the message: the size then tells how much of the secret is in that text, also if the value is
    /// encrypted.
    Lz4,
}

/// A text names no compression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown compression {0:?}: use none or lz4")]
pub struct CompressionError(String);

impl Compression {
    /// The value, compressed if that is worth it. A value that is compressed or encrypted stays as it is.
    ///
    /// # Errors
    /// [`EncodeError`] if the compressed value cannot be written in its codec.
    pub fn apply(self, plain: &Payload) -> Result<Payload, EncodeError> {
        let size = plain.bytes().len();
        if self == Self::None || size < MIN_BYTES {
            return Ok(plain.clone());
        }
        if plain.sealed_text().is_some() || plain.is_compressed() {
            return Ok(plain.clone());
        }
        let Some(block) = block::compress(plain) else { return Ok(plain.clone()) };
        // In base64 a block is a third larger. The text must still be smaller than the value by an eighth.
        if block.len().div_ceil(3) * 4 > size - size / 8 {
            return Ok(plain.clone());
        }
        Payload::encode(plain.codec(), &text_of(&block))
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
        })
    }
}

impl FromStr for Compression {
    type Err = CompressionError;

    fn from_str(text: &str) -> Result<Self, CompressionError> {
        match text.to_ascii_lowercase().as_str() {
            "none" => Ok(Self::None),
            "lz4" => Ok(Self::Lz4),
            _ => Err(CompressionError(text.chars().take(80).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Codec;

    #[test]
    fn a_compression_round_trips_as_text() {
        for choice in [Compression::None, Compression::Lz4] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        assert!("zstd".parse::<Compression>().is_err());
    }

    #[test]
    fn only_a_large_value_that_gets_smaller_is_compressed() {
        let of = |text: &str| {
            let plain = Payload::encode(Codec::Json, text).expect("writes");
            (Compression::Lz4.apply(&plain).expect("writes"), plain)
        };
        let (stored, plain) = of(&"a".repeat(MIN_BYTES - 2));
        assert_eq!(plain.bytes().len(), MIN_BYTES);
        assert!(stored.is_compressed());
        let (small, plain) = of(&"a".repeat(MIN_BYTES - 3));
        assert_eq!(small, plain);
        // Text without repetition, from a generator of random numbers.
        let mut seed = 1_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b' ' + (seed >> 33) as u8 % 64)
        };
        let noise: String = (0..8_000).map(|_| random()).filter(|c| *c != '"').collect();
        let (as_it_was, plain) = of(&noise);
        assert_eq!(as_it_was, plain);
        // What is compressed is not compressed again, and nothing is without the choice.
        assert_eq!(Compression::Lz4.apply(&stored).expect("writes"), stored);
        let (_, plain) = of(&"a".repeat(MIN_BYTES));
        assert_eq!(Compression::None.apply(&plain).expect("writes"), plain);
    }
}
