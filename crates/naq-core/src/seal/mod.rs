//! Encrypted payloads: arguments, results and saved data that only a holder of the key can read.
//! ChaCha20-Poly1305 with a fresh key for each value.
//!
//! ```
//! use naq_core::seal::{KeyRing, Owner, Salt, SealKind, Subject};
//! use naq_core::{Codec, JobId, Payload, QueueName, TaskName};
//!
//! let ring: KeyRing = format!("k2 {}", KeyRing::generate_key()).parse()?;
//! let (queue, id, task) = (QueueName::default(), JobId::new("order-7")?, TaskName::new("ship")?);
//! let subject = Subject { kind: SealKind::Args, queue: &queue, owner: Owner::Job(&id), task: &task };
//! let plain = Payload::encode(Codec::Json, &"4711")?;
//! let sealed = ring.seal(&subject, &plain, Salt::random())?;
//! assert_eq!(sealed.encrypted_with().as_deref(), Some("k2"));
//! assert_eq!(ring.open(&subject, &sealed)?, plain);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cipher;
mod key_ring;
mod salt;
mod subject;
mod text;

pub use cipher::{OpenError, SealError};
pub use key_ring::{KeyRing, KeyRingError};
pub use salt::Salt;
pub use subject::{Owner, SealKind, Subject};
pub use text::{key_of_text, shown_text};
