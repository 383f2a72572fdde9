//! [`Codec`]: JSON and MessagePack, with limits against hostile input.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The deepest nesting that a decoder reads. It is the limit of `serde_json`. For MessagePack the
/// default of the crate, 1024, could overflow a small stack.
const MAX_DEPTH: usize = 128;
/// The most characters of a parser's message in an error: enough for the place and what was expected.
const MAX_REASON_CHARS: usize = 200;

/// How a body is written. The program that enqueues chooses it (`NAQ_JOB_SERIALIZER`); readers follow
/// the `Content-Type` of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// JSON, `application/json`. This is the default, also for a message without a `Content-Type`.
    #[default]
    Json,
    /// MessagePack, `application/msgpack`, with structs as maps.
    MsgPack,
}

/// A text names no codec of NAQ.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown serializer {0:?}; known: json, msgpack")]
pub struct CodecError(String);

/// A value could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The `Serialize` of the value failed, or the codec has no form for it.
    #[error("cannot write {what} as {codec}: {reason}")]
    Value {
        /// The name of the value.
        what: String,
        /// The codec.
        codec: Codec,
        /// Why it failed.
        reason: String,
    },
    /// The body is larger than a job may be.
    #[error(
        "the job is {size} bytes; at most {max} are allowed: store the data elsewhere and send its key"
    )]
    TooLarge {
        /// The size in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
}

/// A body is not a valid job. The text names the part that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The body is empty.
    #[error("the body is empty")]
    Empty,
    /// The body is longer than a job may be. It was not decoded.
    #[error("the body has {size} bytes, more than the {max} of a job")]
    TooLarge {
        /// The size in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The headers or the subject cannot be parsed.
    #[error("its headers or its subject cannot be read: {0}")]
    Headers(String),
    /// The `Content-Type` names no codec of NAQ.
    #[error("unknown content type {0:?}; known: application/json, application/msgpack")]
    ContentType(String),
    /// The body is not valid in its codec, or is not a map.
    #[error("not a job in {codec}: {reason}")]
    Syntax {
        /// The codec that the message names.
        codec: Codec,
        /// The message of the parser, shortened.
        reason: String,
    },
    /// A field is given twice.
    #[error("field {0:?} is given twice")]
    Duplicate(String),
    /// A required field is missing.
    #[error("field {0:?} is missing")]
    Missing(&'static str),
    /// The value of a field is invalid.
    #[error("field {field:?}: {reason}")]
    Field {
        /// The name of the field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The value is encrypted, and nothing has decrypted it.
    #[error("it is encrypted with the key {key}, which is not among the keys here")]
    Encrypted {
        /// The id of the key.
        key: String,
    },
    /// The value is compressed, and nothing has decompressed it.
    #[error("it is compressed")]
    Compressed,
    /// A newer version of NAQ wrote the message.
    #[error("wire version {found}; this program reads up to {known}: upgrade it")]
    Version {
        /// The version of the message.
        found: u64,
        /// The newest version that this program reads.
        known: u64,
    },
}

impl Codec {
    /// The `Content-Type` of this codec.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::MsgPack => "application/msgpack",
        }
    }

    /// The codec that a `Content-Type` names. `None` means JSON. Parameters after a `;` are ignored.
    ///
    /// # Errors
    /// [`DecodeError::ContentType`] for any other type.
    pub fn from_content_type(text: Option<&str>) -> Result<Self, DecodeError> {
        let Some(text) = text else { return Ok(Self::Json) };
        let essence = text.split(';').next().unwrap_or_default().trim();
        match essence.to_ascii_lowercase().as_str() {
            "application/json" => Ok(Self::Json),
            "application/msgpack" | "application/x-msgpack" | "application/vnd.msgpack" => {
                Ok(Self::MsgPack)
            }
            _ => Err(DecodeError::ContentType(text.chars().take(80).collect())),
        }
    }

    /// Writes `value`. An error names it as `what`.
    ///
    /// # Errors
    /// [`EncodeError::Value`] if `value` cannot be written in this codec.
    pub fn encode<T: Serialize + ?Sized>(
        self,
        what: &str,
        value: &T,
    ) -> Result<Bytes, EncodeError> {
        let mut out = Vec::new();
        self.encode_into(what, value, &mut out)?;
        Ok(out.into())
    }

    /// Writes `value` like [`encode`](Self::encode), to the end of `out`.
    pub(super) fn encode_into<T: Serialize + ?Sized>(
        self,
        what: &str,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        match self {
            Self::Json => serde_json::to_writer(out, value).map_err(|e| e.to_string()),
            Self::MsgPack => rmp_serde::encode::write_named(out, value).map_err(|e| e.to_string()),
        }
        .map_err(|reason| EncodeError::Value {
            what: what.to_owned(),
            codec: self,
            reason,
        })
    }

    /// Reads a `T` from a document of at most 128 levels.
    ///
    /// # Errors
    /// [`DecodeError::Syntax`] with the message of the parser.
    pub fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, DecodeError> {
        match self {
            Self::Json => serde_json::from_slice(bytes).map_err(|e| self.syntax(e)),
            Self::MsgPack => {
                let mut de = rmp_serde::Deserializer::from_read_ref(bytes);
                de.set_max_depth(MAX_DEPTH);
                T::deserialize(&mut de).map_err(|e| self.syntax(e))
            }
        }
    }

    /// An error with the message of a parser, shortened and printable, because parsers repeat their
    /// input.
    pub(super) fn syntax(self, message: impl fmt::Display) -> DecodeError {
        let message = message.to_string();
        let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        let mut reason: String = message.chars().take(MAX_REASON_CHARS).map(printable).collect();
        if message.chars().nth(MAX_REASON_CHARS).is_some() {
            reason.push('…');
        }
        DecodeError::Syntax { codec: self, reason }
    }

    /// The deepest nesting that both codecs read.
    pub(super) const fn max_depth() -> usize {
        MAX_DEPTH
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Json => "json",
            Self::MsgPack => "msgpack",
        })
    }
}

impl FromStr for Codec {
    type Err = CodecError;

    fn from_str(s: &str) -> Result<Self, CodecError> {
        match s.to_ascii_lowercase().as_str() {
            "json" => Ok(Self::Json),
            "msgpack" => Ok(Self::MsgPack),
            _ => Err(CodecError(s.chars().take(80).collect())),
        }
    }
}
