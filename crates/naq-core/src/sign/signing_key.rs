//! [`SigningKey`]: the secret key of a producer.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nkeys::KeyPair;

use super::key_format_error::KeyFormatError;
use super::signed_bytes::{signed_bytes, signed_schedule_bytes};
use crate::names::ScheduleName;
use crate::wire::{EncodeError, Envelope, Signature};

/// The secret key with which a producer signs its jobs: the seed of an nkey, `SU...`. Cheap to clone.
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<KeyPair>,
    public: Arc<str>,
}

impl SigningKey {
    /// A new random key.
    pub fn generate() -> Self {
        Self::of(KeyPair::new_user())
    }

    fn of(pair: KeyPair) -> Self {
        let public = pair.public_key().into();
        Self { pair: Arc::new(pair), public }
    }

    /// The public key: `U...`. Workers accept jobs by it.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The secret: `SU...`. Keep it in a file that only its owner can read.
    pub fn seed(&self) -> String {
        self.pair.seed().unwrap_or_else(|_| unreachable!("a signing key has its seed"))
    }

    /// Signs the job, in place of any signature that it has. Sign a job last: a change of what is signed
    /// makes the signature invalid.
    ///
    /// # Errors
    /// [`EncodeError`] if a value of the job cannot be written.
    pub fn sign(&self, job: &mut Envelope) -> Result<(), EncodeError> {
        job.signature = Some(self.signature(&signed_bytes(job)?, None));
        Ok(())
    }

    /// Signs `job` as the job of a schedule. The signature stays valid on each run of it.
    ///
    /// # Errors
    /// [`EncodeError`] if a value of the job cannot be written.
    pub fn sign_schedule(
        &self,
        schedule: &ScheduleName,
        job: &Envelope,
    ) -> Result<Signature, EncodeError> {
        let bytes = signed_schedule_bytes(schedule, job)?;
        Ok(self.signature(&bytes, Some(schedule.clone())))
    }

    fn signature(&self, bytes: &[u8], schedule: Option<ScheduleName>) -> Signature {
        let sig = self.pair.sign(bytes);
        let sig = sig.unwrap_or_else(|_| unreachable!("a key with its seed can sign"));
        Signature { key: self.public.to_string(), sig: STANDARD.encode(sig), schedule }
    }
}

impl FromStr for SigningKey {
    type Err = KeyFormatError;

    /// Reads a seed. Lines before and after it, as a `.creds` or `.nk` file has them, are skipped.
    fn from_str(text: &str) -> Result<Self, KeyFormatError> {
        let seed = text.lines().map(str::trim).find(|line| line.starts_with('S'));
        let pair = seed.and_then(|seed| KeyPair::from_seed(seed).ok());
        pair.map(Self::of).ok_or(KeyFormatError("the seed of an nkey (SU...)"))
    }
}

impl fmt::Debug for SigningKey {
    /// Writes only the public key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public).finish()
    }
}
