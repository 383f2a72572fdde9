//! A job's body, cut into its top-level fields without looking inside them. What NAQ does not
//! change it writes back byte for byte: arguments, and fields that only a newer NAQ knows.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::io::Cursor;

use bytes::{Bytes, BytesMut};
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::codec::{Codec, DecodeError, EncodeError};

/// One value in its codec, opaque to NAQ: a job's arguments or result.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    codec: Codec,
    bytes: Bytes,
}

impl Payload {
    /// Writes `value` in `codec`.
    ///
    /// # Errors
    /// [`EncodeError::Value`] when `value` cannot be written.
    pub fn encode<T: Serialize + ?Sized>(codec: Codec, value: &T) -> Result<Self, EncodeError> {
        Ok(Self { codec, bytes: codec.encode("the arguments", value)? })
    }

    /// The value that stands for "nothing": `null` or nil.
    pub fn null(codec: Codec) -> Self {
        let bytes: &'static [u8] = match codec {
            Codec::Json => b"null",
            Codec::MsgPack => b"\xc0",
        };
        Self { codec, bytes: Bytes::from_static(bytes) }
    }

    pub(super) fn from_raw(codec: Codec, bytes: Bytes) -> Self {
        Self { codec, bytes }
    }

    /// Reads the value as a `T`.
    ///
    /// # Errors
    /// [`DecodeError::Syntax`] when it is no `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        self.codec.decode(&self.bytes)
    }

    /// The codec it is written in.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The bytes, in that codec.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The value in another codec; the same bytes when it is already in that one.
    ///
    /// # Errors
    /// [`EncodeError::Value`] when the other codec has no form for it.
    pub fn transcode(&self, to: Codec) -> Result<Self, EncodeError> {
        if to == self.codec {
            return Ok(self.clone());
        }
        let value: serde_json::Value = self.decode().map_err(|err| EncodeError::Value {
            what: "a payload".into(),
            codec: to,
            reason: err.to_string(),
        })?;
        Self::encode(to, &value)
    }
}

impl fmt::Debug for Payload {
    /// Only its size: payloads are never logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({}, {} bytes)", self.codec, self.bytes.len())
    }
}

/// The top-level fields of one document, each as the bytes it was written with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields {
    codec: Codec,
    map: BTreeMap<String, Bytes>,
}

impl Fields {
    pub(super) fn new(codec: Codec) -> Self {
        Self { codec, map: BTreeMap::new() }
    }

    /// Cuts `body` into its fields. Nested values are skipped, not decoded.
    pub(super) fn split(codec: Codec, body: &Bytes) -> Result<Self, DecodeError> {
        if body.is_empty() {
            return Err(DecodeError::Empty);
        }
        let pairs = match codec {
            Codec::Json => split_json(body)?,
            Codec::MsgPack => split_msgpack(body)?,
        };
        let mut map = BTreeMap::new();
        for (key, value) in pairs {
            match map.entry(key) {
                Entry::Vacant(slot) => drop(slot.insert(value)),
                Entry::Occupied(slot) => return Err(DecodeError::Duplicate(shown(slot.key()))),
            }
        }
        Ok(Self { codec, map })
    }

    /// Takes the field out and reads it; absent and null are both `None`.
    pub(super) fn take<T: DeserializeOwned>(
        &mut self,
        field: &'static str,
    ) -> Result<Option<T>, DecodeError> {
        let Some(bytes) = self.map.remove(field) else { return Ok(None) };
        self.codec.decode(&bytes).map_err(|err| match err {
            DecodeError::Syntax { reason, .. } => {
                DecodeError::Field { field: field.to_owned(), reason }
            }
            other => other,
        })
    }

    /// Takes the field out unread.
    pub(super) fn take_raw(&mut self, field: &str) -> Option<Payload> {
        self.map.remove(field).map(|bytes| Payload::from_raw(self.codec, bytes))
    }

    /// A copy of the field, unread.
    pub(super) fn raw(&self, field: &str) -> Option<Payload> {
        self.map.get(field).map(|bytes| Payload::from_raw(self.codec, bytes.clone()))
    }

    pub(super) fn put<T: Serialize + ?Sized>(
        &mut self,
        field: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        let bytes = self.codec.encode(field, value)?;
        self.map.insert(field.to_owned(), bytes);
        Ok(())
    }

    pub(super) fn put_raw(&mut self, field: &str, value: &Payload) -> Result<(), EncodeError> {
        let value = value.transcode(self.codec)?;
        self.map.insert(field.to_owned(), value.bytes);
        Ok(())
    }

    /// Writes the document again.
    pub(super) fn join(&self) -> Bytes {
        let size: usize = self.map.iter().map(|(k, v)| k.len() + v.len() + 8).sum();
        let mut out = Vec::with_capacity(size + 8);
        match self.codec {
            Codec::Json => self.join_json(&mut out),
            Codec::MsgPack => self.join_msgpack(&mut out),
        }
        BytesMut::from(out.as_slice()).freeze()
    }

    fn join_json(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (i, (key, value)) in self.map.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            // Writing a string to memory cannot fail.
            let _ = serde_json::to_writer(&mut *out, key);
            out.push(b':');
            out.extend_from_slice(value);
        }
        out.push(b'}');
    }

    fn join_msgpack(&self, out: &mut Vec<u8>) {
        // Writing to memory cannot fail; a body's size bounds the count far below u32::MAX.
        let count = u32::try_from(self.map.len()).unwrap_or(u32::MAX);
        let _ = rmp::encode::write_map_len(out, count);
        for (key, value) in &self.map {
            let _ = rmp::encode::write_str(out, key);
            out.extend_from_slice(value);
        }
    }
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

type Pairs = Vec<(String, Bytes)>;

fn split_json(body: &Bytes) -> Result<Pairs, DecodeError> {
    struct Raw<'a>(Vec<(String, &'a RawValue)>);

    impl<'de> Deserialize<'de> for Raw<'de> {
        fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
            struct Pairs;
            impl<'de> Visitor<'de> for Pairs {
                type Value = Raw<'de>;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a map")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw<'de>, A::Error> {
                    let mut pairs = Vec::new();
                    while let Some(pair) = map.next_entry()? {
                        pairs.push(pair);
                    }
                    Ok(Raw(pairs))
                }
            }
            d.deserialize_map(Pairs)
        }
    }

    let Raw(pairs) = serde_json::from_slice(body).map_err(|e| Codec::Json.syntax(e))?;
    Ok(pairs.into_iter().map(|(k, v)| (k, body.slice_ref(v.get().as_bytes()))).collect())
}

fn split_msgpack(body: &Bytes) -> Result<Pairs, DecodeError> {
    let codec = Codec::MsgPack;
    let mut cursor = Cursor::new(&body[..]);
    let count = rmp::decode::read_map_len(&mut cursor)
        .map_err(|_| codec.syntax("expected a map at the top"))?;
    let mut de = rmp_serde::Deserializer::new(cursor);
    de.set_max_depth(Codec::max_depth());
    // `count` is only a claim: nothing is reserved for it, and a short body ends the loop.
    let mut pairs = Vec::new();
    for _ in 0..count {
        let key = String::deserialize(&mut de).map_err(|e| codec.syntax(e))?;
        let start = at(de.position());
        IgnoredAny::deserialize(&mut de).map_err(|e| codec.syntax(e))?;
        pairs.push((key, body.slice(start..at(de.position()))));
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
    use super::*;

    fn msgpack(value: &serde_json::Value) -> Bytes {
        rmp_serde::to_vec_named(value).expect("writes").into()
    }

    #[test]
    fn fields_come_back_byte_for_byte_in_both_codecs() {
        let json = Bytes::from_static(br#"{ "a" : [1, 2.50,{"x":null}] , "b":"\u00e9" }"#);
        let fields = Fields::split(Codec::Json, &json).expect("splits");
        assert_eq!(&fields.join()[..], br#"{"a":[1, 2.50,{"x":null}],"b":"\u00e9"}"#);

        let pack = msgpack(&serde_json::json!({"a": [1, 2.5, {"x": null}], "b": "é"}));
        let fields = Fields::split(Codec::MsgPack, &pack).expect("splits");
        assert_eq!(fields.join(), pack);
    }

    #[test]
    fn what_is_no_map_is_refused_with_a_reason() {
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
    fn depth_is_skipped_where_opaque_and_refused_where_read() {
        let deep = format!("{{\"args\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        let mut fields = Fields::split(Codec::Json, &Bytes::from(deep)).expect("args are opaque");
        assert!(fields.take::<serde_json::Value>("args").is_err());

        let mut deep = vec![0x81, 0xa1, b'a'];
        deep.extend(vec![0x91; 10_000]);
        deep.push(0xc0);
        assert!(Fields::split(Codec::MsgPack, &Bytes::from(deep)).is_err());
    }
}
