//! What a [`Payload`] says about compression.

use super::block::{self, CompressError, block_of};
use crate::wire::{MAX_ENVELOPE_BYTES, Payload};

/// The most bytes that a value in a job's message may have once it is decompressed: as many as a plain value there. So
/// a program that may write to a queue cannot make a worker take more memory with a small message than with a
/// large one.
pub const MAX_IN_MESSAGE: usize = MAX_ENVELOPE_BYTES;

impl Payload {
    /// Whether the value is compressed. Of an encrypted value, whether it was compressed before.
    pub fn is_compressed(&self) -> bool {
        match self.sealed_text() {
            Some(sealed) => sealed.compressed,
            None => self.compressed_data().is_some(),
        }
    }

    /// The plain value. A value that is not compressed is returned as it is, and so is one that is encrypted.
    ///
    /// # Errors
    /// [`CompressError`] if it would have more than `max` bytes, or cannot be read.
    pub fn decompressed(&self, max: usize) -> Result<Self, CompressError> {
        let Some(data) = self.compressed_data() else { return Ok(self.clone()) };
        block::decompress(&block_of(data).ok_or(CompressError::Broken)?, max)
    }
}
