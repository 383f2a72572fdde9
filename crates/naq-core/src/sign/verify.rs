//! [`verify`]: whether a job is signed by a key that its queue accepts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::signed_bytes::{signed_bytes, signed_schedule_bytes};
use super::trusted_keys::{TrustedKey, TrustedKeys};
use crate::names::QueueName;
use crate::wire::{Envelope, Signature};

/// Why the signature of a job is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureFault {
    /// The job has no signature.
    #[error("the job is not signed")]
    Unsigned,
    /// The key is not among the accepted ones.
    #[error("the key that signed the job is not accepted here: {0}")]
    UnknownKey(String),
    /// The key is accepted, but not for this queue.
    #[error("the key {name} is not accepted for the queue {queue}")]
    OtherQueue {
        /// The name of the key.
        name: String,
        /// The queue of the job.
        queue: QueueName,
    },
    /// The signature is not one of this job: it was changed or moved, or the signature was made up.
    #[error(
        "the signature of the key {0} does not fit the job: the job was changed after it was signed"
    )]
    Invalid(String),
}

/// The key that signed this job, if its queue accepts it.
///
/// # Errors
/// [`SignatureFault`].
pub fn verify<'a>(
    job: &Envelope,
    trusted: &'a TrustedKeys,
) -> Result<&'a TrustedKey, SignatureFault> {
    let Some(signature) = &job.signature else { return Err(SignatureFault::Unsigned) };
    let Some(key) = trusted.find(&signature.key) else {
        let shown = signature.key.chars().take(MAX_SHOWN).filter(char::is_ascii_alphanumeric);
        return Err(SignatureFault::UnknownKey(shown.collect()));
    };
    if !key.may_use(&job.queue) {
        let (name, queue) = (key.name().to_owned(), job.queue.clone());
        return Err(SignatureFault::OtherQueue { name, queue });
    }
    match fits(signature, job, key) {
        true => Ok(key),
        false => Err(SignatureFault::Invalid(key.name().to_owned())),
    }
}

/// The length of a public key as text.
const MAX_SHOWN: usize = 56;

fn fits(signature: &Signature, job: &Envelope, key: &TrustedKey) -> bool {
    let Ok(sig) = STANDARD.decode(&signature.sig) else { return false };
    let bytes = match &signature.schedule {
        None => signed_bytes(job),
        // A schedule is signed for runs with its name, not for any other job.
        Some(schedule) => {
            let run = job.id.as_str().strip_prefix(schedule.as_str());
            if !run.is_some_and(|rest| rest.starts_with('-')) {
                return false;
            }
            signed_schedule_bytes(schedule, job)
        }
    };
    bytes.is_ok_and(|bytes| key.signed(&bytes, &sig))
}
