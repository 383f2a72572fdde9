//! [`Payload`] and [`Fields`]: the body of a job, split into its top-level fields without decoding
//! them. NAQ writes fields that it does not change byte for byte: arguments, and fields that only a
//! newer version of NAQ knows.

use std::borrow::Cow;
use std::fmt;
use std::io::Cursor;

use bytes::Bytes;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::codec::{Codec, DecodeError, EncodeError};
use super::depth::is_too_deep;
use super::sealed_text::SealedText;
use super::string_text::{COMPRESSED, string_text};

/// One encoded value that NAQ does not look into: the arguments or the result of a job.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    codec: Codec,
    bytes: Bytes,
}

impl Payload {
    /// Writes `value` in `codec`.
    ///
    /// # Errors
    /// [`EncodeError::Value`] if `value` cannot be written, or has more levels than a reader reads: 127.
    pub fn encode<T: Serialize + ?Sized>(codec: Codec, value: &T) -> Result<Self, EncodeError> {
        let what = "the arguments";
        let bytes = codec.encode(what, value)?;
        if is_too_deep(codec, &bytes, Codec::max_depth()) {
            let reason = format!(
                "it has more than {} levels of arrays and maps, and could not be read again",
                Codec::max_depth() - 1
            );
            return Err(EncodeError::Value { what: what.to_owned(), codec, reason });
        }
        Ok(Self { codec, bytes })
    }

    /// The value for "nothing": `null` in JSON, nil in MessagePack.
    pub fn null(codec: Codec) -> Self {
        let bytes: &'static [u8] = match codec {
            Codec::Json => b"null",
            Codec::MsgPack => b"\xc0",
        };
        Self { codec, bytes: Bytes::from_static(bytes) }
    }

    /// A value that is already encoded in `codec`. The bytes are not checked.
    pub fn from_raw(codec: Codec, bytes: Bytes) -> Self {
        Self { codec, bytes }
    }

    /// A value that another program has encoded in `codec`, checked.
    ///
    /// # Errors
    /// [`DecodeError::Syntax`] if the bytes are not one value, or have more levels than a reader reads: 127.
    pub fn read(codec: Codec, bytes: Bytes) -> Result<Self, DecodeError> {
        let _: IgnoredAny = codec.decode(&bytes)?;
        Ok(Self { codec, bytes })
    }

    /// Reads the value as a `T`.
    ///
    /// # Errors
    /// [`DecodeError::Syntax`] if the value is not a `T`, [`DecodeError::Encrypted`] if it is encrypted,
    /// [`DecodeError::Compressed`] if it is compressed.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        match self.sealed_text() {
            Some(sealed) => Err(DecodeError::Encrypted { key: shown_key(sealed.key) }),
            None if self.is_compressed() => Err(DecodeError::Compressed),
            None => self.codec.decode(&self.bytes),
        }
    }

    /// The id of the key with which the value is encrypted. None for a plain value.
    pub fn encrypted_with(&self) -> Option<String> {
        self.sealed_text().map(|sealed| shown_key(sealed.key))
    }

    /// The parts of an encrypted value.
    pub(crate) fn sealed_text(&self) -> Option<SealedText<'_>> {
        SealedText::read(self.codec, &self.bytes)
    }

    /// The base64 of a value that is compressed and not encrypted.
    pub(crate) fn compressed_data(&self) -> Option<&[u8]> {
        string_text(self.codec, &self.bytes)?.strip_prefix(COMPRESSED.as_bytes())
    }

    /// The codec of the value.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The encoded bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The value in the codec `to`. The bytes stay the same if that is its codec already.
    ///
    /// # Errors
    /// [`EncodeError::Value`] if that codec has no form for the value.
    pub fn transcode(&self, to: Codec) -> Result<Self, EncodeError> {
        if to == self.codec {
            return Ok(self.clone());
        }
        let value: serde_json::Value = self.codec.decode(&self.bytes).map_err(|err| {
            EncodeError::Value { what: "a payload".into(), codec: to, reason: err.to_string() }
        })?;
        Self::encode(to, &value)
    }
}

impl fmt::Debug for Payload {
    /// Writes only the size, because payloads are never logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({}, {} bytes)", self.codec, self.bytes.len())
    }
}

/// The id of a key as it is shown: another program may have written anything there.
pub(crate) fn shown_key(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_' || *c == '-').take(32).collect()
}

/// The most top-level fields of a body. A lookup goes through all of them.
const MAX_FIELDS: usize = 256;

/// The names of fields that NAQ writes. They are not copied for each job.
const KNOWN: [&str; 22] = [
    "args",
    "attempt",
    "crashes",
    "deadline",
    "due_at",
    "enqueued_at",
    "finished_at",
    "first_started_at",
    "history",
    "id",
    "nonce",
    "policy",
    "queue",
    "record_ttl_ms",
    "result",
    "snoozes",
    "state",
    "tags",
    "task",
    "timeout_ms",
    "traceparent",
    "v",
];

/// The top-level fields of one document in their order, each as the bytes in which it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields {
    codec: Codec,
    list: Vec<(Cow<'static, str>, Bytes)>,
}

impl Fields {
    pub(crate) fn new(codec: Codec) -> Self {
        Self { codec, list: Vec::new() }
    }

    /// Splits `body` into its fields. Nested values are skipped, not decoded.
    pub(crate) fn split(codec: Codec, body: &Bytes) -> Result<Self, DecodeError> {
        if body.is_empty() {
            return Err(DecodeError::Empty);
        }
        let list = match codec {
            Codec::Json => split_json(body)?,
            Codec::MsgPack => split_msgpack(body)?,
        };
        if list.len() > MAX_FIELDS {
            let reason = format!("{} fields, at most {MAX_FIELDS} are allowed", list.len());
            return Err(codec.syntax(reason));
        }
        for (i, (name, _)) in list.iter().enumerate() {
            if list[..i].iter().any(|(earlier, _)| earlier == name) {
                return Err(DecodeError::Duplicate(name.chars().take(80).collect()));
            }
        }
        Ok(Self { codec, list })
    }

    /// The codec of the fields.
    pub(crate) fn codec(&self) -> Codec {
        self.codec
    }

    /// Removes the field and reads it. `None` if it is absent or null.
    pub(crate) fn take<T: DeserializeOwned>(
        &mut self,
        field: &'static str,
    ) -> Result<Option<T>, DecodeError> {
        let Some(value) = self.take_raw(field) else { return Ok(None) };
        value.decode().map_err(|err| match err {
            DecodeError::Syntax { reason, .. } => {
                DecodeError::Field { field: field.to_owned(), reason }
            }
            other => other,
        })
    }

    /// Removes the field if it is exactly this text, which must need no escapes. In MessagePack it
    /// never removes the field.
    pub(super) fn take_if(&mut self, field: &str, text: &str) -> bool {
        let plain =
            |value: &[u8]| matches!(value, [b'"', inner @ .., b'"'] if inner == text.as_bytes());
        let json = self.codec == Codec::Json;
        let at = self.list.iter().position(|(name, value)| json && name == field && plain(value));
        at.map(|at| self.list.remove(at)).is_some()
    }

    /// Removes the field without reading it.
    pub(crate) fn take_raw(&mut self, field: &str) -> Option<Payload> {
        let at = self.list.iter().position(|(name, _)| name == field)?;
        Some(Payload::from_raw(self.codec, self.list.remove(at).1))
    }

    /// The fields that are left.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Payload)> {
        self.list
            .iter()
            .map(|(name, value)| (name.as_ref(), Payload::from_raw(self.codec, value.clone())))
    }
}

/// The name of a field: one of [`KNOWN`], or a copy.
struct FieldName(Cow<'static, str>);

impl<'de> Deserialize<'de> for FieldName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct FieldNameVisitor;
        impl Visitor<'_> for FieldNameVisitor {
            type Value = FieldName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field's name")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<FieldName, E> {
                let known = KNOWN.iter().find(|known| **known == text);
                Ok(FieldName(known.map_or_else(|| text.to_owned().into(), |known| (*known).into())))
            }
        }
        d.deserialize_str(FieldNameVisitor)
    }
}

type FieldList = Vec<(Cow<'static, str>, Bytes)>;

fn split_json(body: &Bytes) -> Result<FieldList, DecodeError> {
    struct RawJson<'a>(Vec<(FieldName, &'a RawValue)>);

    impl<'de> Deserialize<'de> for RawJson<'de> {
        fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
            struct FieldListVisitor;
            impl<'de> Visitor<'de> for FieldListVisitor {
                type Value = RawJson<'de>;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a map")
                }

                fn visit_map<A: MapAccess<'de>>(
                    self,
                    mut map: A,
                ) -> Result<RawJson<'de>, A::Error> {
                    let mut pairs = Vec::with_capacity(KNOWN.len());
                    while let Some(pair) = map.next_entry()? {
                        pairs.push(pair);
                    }
                    Ok(RawJson(pairs))
                }
            }
            d.deserialize_map(FieldListVisitor)
        }
    }

    let RawJson(pairs) = serde_json::from_slice(body).map_err(|e| Codec::Json.syntax(e))?;
    Ok(pairs.into_iter().map(|(k, v)| (k.0, body.slice_ref(v.get().as_bytes()))).collect())
}

fn split_msgpack(body: &Bytes) -> Result<FieldList, DecodeError> {
    let codec = Codec::MsgPack;
    let mut cursor = Cursor::new(&body[..]);
    let count = rmp::decode::read_map_len(&mut cursor)
        .map_err(|_| codec.syntax("expected a map at the top"))?;
    let mut de = rmp_serde::Deserializer::new(cursor);
    de.set_max_depth(Codec::max_depth());
    // `count` may be wrong: no memory is reserved for it, and a short body ends the loop.
    let mut pairs = Vec::new();
    for _ in 0..count {
        let name = FieldName::deserialize(&mut de).map_err(|e| codec.syntax(e))?;
        let start = at(de.position());
        IgnoredAny::deserialize(&mut de).map_err(|e| codec.syntax(e))?;
        pairs.push((name.0, body.slice(start..at(de.position()))));
    }
    if at(de.position()) == body.len() {
        Ok(pairs)
    } else {
        Err(codec.syntax("there are bytes after the end"))
    }
}

fn at(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::writer::Writer;
    use super::*;

    fn msgpack(value: &serde_json::Value) -> Bytes {
        rmp_serde::to_vec_named(value).expect("writes").into()
    }

    fn copy(codec: Codec, body: &Bytes) -> Bytes {
        let mut copy = Writer::new(codec, 0);
        for (name, value) in Fields::split(codec, body).expect("splits").iter() {
            copy.put_raw(name, &value).expect("the same codec");
        }
        copy.finish()
    }

    #[test]
    fn a_body_has_as_many_fields_as_are_allowed() {
        for codec in [Codec::Json, Codec::MsgPack] {
            let fill = |count: usize| {
                let mut body = Writer::new(codec, 0);
                for i in 0..count {
                    body.put_raw(&i.to_string(), &Payload::null(codec)).expect("the same codec");
                }
                Fields::split(codec, &body.finish())
            };
            for fits in [0, 1, 15, 16, MAX_FIELDS] {
                assert_eq!(fill(fits).expect("fits").iter().count(), fits);
            }
            fill(MAX_FIELDS + 1).expect_err("too many");
        }
    }

    #[test]
    fn fields_come_back_byte_for_byte_in_both_codecs() {
        let json = Bytes::from_static(br#"{ "a" : [1, 2.50,{"x":null}] , "b":"\u00e9" }"#);
        assert_eq!(&copy(Codec::Json, &json)[..], br#"{"a":[1, 2.50,{"x":null}],"b":"\u00e9"}"#);

        let pack = msgpack(&serde_json::json!({"a": [1, 2.5, {"x": null}], "b": "é"}));
        assert_eq!(copy(Codec::MsgPack, &pack), pack);
    }

    #[test]
    fn a_body_that_is_not_a_map_is_refused() {
        for bad in ["", "x", "[1]", "3", "null", "{", r#"{"a":}"#, r#"{"a":1} x"#, r#"{1:2}"#] {
            assert!(Fields::split(Codec::Json, &Bytes::from(bad)).is_err(), "{bad}");
        }
        for bad in [&[][..], &[0xc0], &[0x93, 1, 2, 3], &[0x81, 0xa1], &[0x81, 1, 2], &[0x80, 0]] {
            assert!(Fields::split(Codec::MsgPack, &Bytes::from_static(bad)).is_err(), "{bad:?}");
        }
        let twice = Bytes::from_static(br#"{"a":1,"a":2}"#);
        assert_eq!(Fields::split(Codec::Json, &twice), Err(DecodeError::Duplicate("a".into())));
    }

    #[test]
    fn a_header_that_claims_four_billion_entries_costs_nothing() {
        let claim = Bytes::from_static(&[0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, b'a', 1]);
        assert!(Fields::split(Codec::MsgPack, &claim).is_err());
    }

    #[test]
    fn deep_nesting_is_skipped_in_opaque_fields_and_refused_in_decoded_ones() {
        let deep = format!("{{\"args\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        let mut fields = Fields::split(Codec::Json, &Bytes::from(deep)).expect("args are opaque");
        assert!(fields.take::<serde_json::Value>("args").is_err());

        let mut deep = vec![0x81, 0xa1, b'a'];
        deep.extend(vec![0x91; 10_000]);
        deep.push(0xc0);
        assert!(Fields::split(Codec::MsgPack, &Bytes::from(deep)).is_err());
    }
}
