//! The two codecs of the wire, with the limits that hostile input meets.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Nesting that a decoder follows before it gives up: `serde_json`'s own limit, and for MessagePack
/// low enough for a thread with a small stack (the crate's default, 1024, is not).
const MAX_DEPTH: usize = 128;
/// Characters of a parser's message that are kept: enough for the place and what was expected.
const MAX_REASON_CHARS: usize = 200;

/// How a body is written. Producers choose (`NAQ_JOB_SERIALIZER`); whoever reads follows the
/// message's `Content-Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// JSON, `application/json`: the default, and what is assumed when no type is given.
    #[default]
    Json,
    /// MessagePack, `application/msgpack`, structs as maps.
    MsgPack,
}

/// A codec that NAQ does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown serializer {0:?}; known: json, msgpack")]
pub struct CodecError(String);

/// A value that could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The value's own `Serialize` failed, or the codec has no form for it.
    #[error("cannot write {what} as {codec}: {reason}")]
    Value {
        /// What was being written.
        what: String,
        /// In which codec.
        codec: Codec,
        /// Why it failed.
        reason: String,
    },
    /// The result is larger than a job may be.
    #[error(
        "the job is {size} bytes; at most {max} are allowed: store the data elsewhere and send its key"
    )]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
}

/// A body that is no job, with the part that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There is nothing to read.
    #[error("the body is empty")]
    Empty,
    /// Longer than a job may be; it was not looked at.
    #[error("the body has {size} bytes, more than the {max} of a job")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// `Content-Type` names no codec of ours.
    #[error("unknown content type {0:?}; known: application/json, application/msgpack")]
    ContentType(String),
    /// Not a document of its codec, or not a map.
    #[error("not a job in {codec}: {reason}")]
    Syntax {
        /// The codec it claims to be in.
        codec: Codec,
        /// What the parser said.
        reason: String,
    },
    /// A field is given twice.
    #[error("field {0:?} is given twice")]
    Duplicate(String),
    /// A field is needed and missing.
    #[error("field {0:?} is missing")]
    Missing(&'static str),
    /// A field has a value that it cannot have.
    #[error("field {field:?}: {reason}")]
    Field {
        /// The field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Written by a newer NAQ.
    #[error("wire version {found}; this program reads up to {known}: upgrade it")]
    Version {
        /// The version given.
        found: u64,
        /// The newest that is understood.
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

    /// The codec that a `Content-Type` names; none given means JSON, parameters are ignored.
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

    /// Writes `value`; `what` names it in an error.
    ///
    /// # Errors
    /// [`EncodeError::Value`] when `value` cannot be written in this codec.
    pub fn encode<T: Serialize + ?Sized>(
        self,
        what: &str,
        value: &T,
    ) -> Result<Bytes, EncodeError> {
        let mut out = Vec::new();
        self.encode_into(what, value, &mut out)?;
        Ok(out.into())
    }

    /// As [`encode`](Self::encode), at the end of `out`.
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

    /// Reads a `T`, at most 128 levels deep.
    ///
    /// # Errors
    /// [`DecodeError::Syntax`] with what the parser said.
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

    /// What the parser said, short and printable: parsers repeat their input.
    pub(super) fn syntax(self, said: impl fmt::Display) -> DecodeError {
        let said = said.to_string();
        let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        let mut reason: String = said.chars().take(MAX_REASON_CHARS).map(printable).collect();
        if said.chars().nth(MAX_REASON_CHARS).is_some() {
            reason.push('…');
        }
        DecodeError::Syntax { codec: self, reason }
    }

    /// The depth limit that both codecs keep.
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
