//! [`Signature`]: which key signed a job, as its body says.

use serde::{Deserialize, Serialize};

use crate::names::ScheduleName;

/// The signature of a job, as its body has it. It proves nothing until
/// [`verify`](crate::sign::verify) has compared it with the job and with the accepted keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// The public key of the signer, in the form of nkeys: `UABC...`.
    pub key: String,
    /// The 64 bytes of the ed25519 signature, in base64 with padding.
    pub sig: String,
    /// The schedule, on a run of a signed schedule: then the signature is that of the schedule's job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleName>,
}
