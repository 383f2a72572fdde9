//! How long an order key may be.

/// The longest order key, in bytes.
pub const MAX_ORDER_KEY: usize = 512;
