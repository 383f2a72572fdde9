//! Protect what this client writes: compress large values, encrypt what only a holder of the key may read, and
//! sign jobs, so that it is known who made them.

mod encrypted_job;
mod open_report;
#[cfg(feature = "schedules")]
mod schedule;
mod signer;
mod submission;

pub(crate) use encrypted_job::{decompressed, open_message};
pub(crate) use submission::read;

pub use encrypted_job::{EncryptedJob, OpenedArgs};
pub use signer::Signer;
