//! How large saved data may be.

/// The largest checkpoint, as JSON.
pub(crate) const MAX_CHECKPOINT_BYTES: usize = 256 * 1024;
