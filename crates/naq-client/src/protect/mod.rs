//! Protect what this client writes: sign jobs, so that it is known who made them.

#[cfg(feature = "schedules")]
mod schedule;
mod signer;
mod submission;

pub use signer::Signer;
