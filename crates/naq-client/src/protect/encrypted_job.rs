//! [`Client::open_args`], [`EncryptedJob`]: the payloads of a job whose arguments are encrypted.

use naq_core::seal::{KeyRing, OpenError, SealKind};
use naq_core::wire::{EncodeError, Envelope, Payload};

use crate::Client;

/// Encrypts and decrypts what is stored of one job, whose arguments are encrypted.
#[derive(Debug, Clone)]
pub struct EncryptedJob {
    ring: KeyRing,
    job: Box<Envelope>,
}

impl EncryptedJob {
    /// Encrypts a value of the job.
    ///
    /// # Errors
    /// [`EncodeError`] if it is too large for the cipher.
    pub fn seal(&self, kind: SealKind, plain: &Payload) -> Result<Payload, EncodeError> {
        Ok(self.ring.seal_of_job(&self.job, kind, plain)?)
    }

    /// Decrypts a value of the job. A value that is not encrypted is returned as it is.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, kind: SealKind, sealed: &Payload) -> Result<Payload, OpenError> {
        self.ring.open_of_job(&self.job, kind, sealed)
    }
}

impl Client {
    /// The arguments of a job, decrypted, and what encrypts the other values of the job. None if the
    /// arguments are not encrypted.
    ///
    /// # Errors
    /// [`OpenError`] if they cannot be decrypted.
    pub fn open_args(&self, job: &Envelope) -> Result<Option<(Payload, EncryptedJob)>, OpenError> {
        let Some(key) = job.args.encrypted_with() else { return Ok(None) };
        let Some(ring) = &self.key_ring else { return Err(OpenError::UnknownKey(key)) };
        let args = ring.open_of_job(job, SealKind::Args, &job.args)?;
        let mut of_job = Box::new(job.clone());
        of_job.args = Payload::null(job.codec);
        of_job.history.clear();
        Ok(Some((args, EncryptedJob { ring: ring.clone(), job: of_job })))
    }
}
