//! Compressed payloads: arguments, results and checkpoints that take less room at the broker. LZ4, for values
//! of [`MIN_BYTES`] or more.
//!
//! ```
//! use naq_core::compress::{Compression, MAX_IN_MESSAGE};
//! use naq_core::{Codec, Payload};
//!
//! let plain = Payload::encode(Codec::Json, &"much ".repeat(2_000))?;
//! let stored = Compression::Lz4.apply(&plain)?;
//! assert!(stored.is_compressed() && stored.bytes().len() < 200);
//! assert_eq!(stored.decompressed(MAX_IN_MESSAGE)?, plain);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod block;
mod compression;
mod payload;

pub(crate) use block::{block_of, text_of};

pub use block::CompressError;
pub use compression::{Compression, CompressionError, MIN_BYTES};
pub use payload::MAX_IN_MESSAGE;
