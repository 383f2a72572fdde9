//! Protect what this client writes: sign jobs, so that it is known who made them, and encrypt what only
//! a holder of the key may read.

mod encrypted_job;
mod open_report;
#[cfg(feature = "schedules")]
mod schedule;
mod signer;
mod submission;

pub(crate) use submission::read;

pub use encrypted_job::EncryptedJob;
pub use signer::Signer;
