//! Signed jobs: who made a job, and whether a queue accepts it. ed25519, with keys in the form of NATS
//! (nkeys).
//!
//! ```
//! use naq_core::sign::{SigningKey, TrustedKeys, verify};
//! use naq_core::{Codec, Envelope, JobId, Payload, QueueName, TaskName, Timestamp};
//!
//! let key = SigningKey::generate();
//! let args = Payload::encode(Codec::Json, &7)?;
//! let (queue, id) = (QueueName::default(), JobId::new("order-7")?);
//! let mut job = Envelope::new(queue, id, TaskName::new("order.ship")?, args, Timestamp::default());
//! key.sign(&mut job)?;
//!
//! let trusted: TrustedKeys = format!("web {}", key.public()).parse()?;
//! assert_eq!(verify(&job, &trusted)?.name(), "web");
//! job.args = Payload::encode(Codec::Json, &8)?;
//! assert!(verify(&job, &trusted).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod key_format_error;
mod signed_bytes;
mod signing_key;
mod trusted_keys;
mod verify;

pub use key_format_error::KeyFormatError;
pub use signed_bytes::{signed_bytes, signed_schedule_bytes};
pub use signing_key::SigningKey;
pub use trusted_keys::{TrustedKey, TrustedKeys, TrustedKeysError};
pub use verify::{SignatureFault, verify};
