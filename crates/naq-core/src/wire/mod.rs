//! The wire format: codecs, the envelope of a job, its history, and the messages that carry them.
//! `docs/wire-format.md` describes it for other languages.

mod blob_ref;
mod body;
mod byte_list;
mod codec;
mod dead;
mod depth;
mod envelope;
mod fields;
mod history;
mod message;
mod record;
mod sealed_text;
mod signature;
mod step;
mod string_text;
mod writer;

pub(crate) use body::MessageMeta;
pub(crate) use byte_list::ByteList;
#[cfg(feature = "schedules")]
pub(crate) use fields::Fields;
pub(crate) use fields::shown_key;
pub(crate) use sealed_text::{SEALED, SEALED_COMPRESSED, SealedText};
pub(crate) use string_text::COMPRESSED;
#[cfg(feature = "schedules")]
pub(crate) use writer::Writer;

pub use blob_ref::{BlobRef, BlobRefError};
pub use codec::{Codec, CodecError, DecodeError, EncodeError};
pub use dead::DeadLetter;
pub use envelope::{
    DEFAULT_RECORD_TTL, Envelope, MAX_ENVELOPE_BYTES, MAX_TAGS, READ_VERSION, WIRE_VERSION,
};
pub use fields::Payload;
pub use history::{
    AttemptOutcome, AttemptRecord, MAX_HISTORY, MAX_HISTORY_BYTES, MAX_MESSAGE_BYTES,
    MAX_REASON_BYTES,
};
pub use message::{CancelledAttempt, WireMessage, headers};
pub use record::FinalRecord;
pub use signature::Signature;
pub use step::{Nonce, Step, StepError};
