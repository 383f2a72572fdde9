//! [`Signer`]: who signed a job, for people who look at it.

use naq_core::sign::{SignatureFault, TrustedKeys, verify};
use naq_core::wire::Envelope;
use serde::Serialize;

/// Who signed a job, as far as the keys that the client knows can tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Signer {
    /// The public key that the job names.
    pub key: String,
    /// The name of that key, if the client knows it.
    pub name: Option<String>,
    /// Whether the signature is that of this key, and the key is accepted for the queue of the job.
    pub valid: bool,
    /// Why it is not valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

impl Signer {
    /// Who signed `job`. None for a job that is not signed.
    pub fn of(job: &Envelope, known: &TrustedKeys) -> Option<Self> {
        let signature = job.signature.as_ref()?;
        let name = known.find(&signature.key).map(|key| key.name().to_owned());
        let fault = verify(job, known).err().map(|fault: SignatureFault| fault.to_string());
        let key = signature.key.chars().filter(char::is_ascii_alphanumeric).take(56).collect();
        Some(Self { key, name, valid: fault.is_none(), fault })
    }
}
