//! [`is_too_deep`]: whether a document nests deeper than its readers go.

use super::codec::Codec;

/// Whether arrays and maps nest to `max_depth` levels or deeper. The bytes are a valid document.
pub(super) fn is_too_deep(codec: Codec, bytes: &[u8], max_depth: usize) -> bool {
    // Each level takes a byte at least.
    bytes.len() >= max_depth
        && match codec {
            Codec::Json => is_json_too_deep(bytes, max_depth),
            Codec::MsgPack => is_msgpack_too_deep(bytes, max_depth),
        }
}

fn is_json_too_deep(bytes: &[u8], max_depth: usize) -> bool {
    let (mut depth, mut in_text) = (0, false);
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => in_text = !in_text,
            b'\\' if in_text => drop(rest.next()),
            _ if in_text => {}
            b'[' | b'{' => {
                depth += 1;
                if depth >= max_depth {
                    return true;
                }
            }
            b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    false
}

fn is_msgpack_too_deep(bytes: &[u8], max_depth: usize) -> bool {
    // How many values are left in each open array and map.
    let mut open: Vec<u64> = Vec::new();
    let mut rest = bytes;
    while let Some((values, size)) = first_value(rest) {
        rest = rest.get(size..).unwrap_or_default();
        if let Some(left) = open.last_mut() {
            *left -= 1;
        }
        if let Some(values) = values {
            open.push(values);
            if open.len() >= max_depth {
                return true;
            }
        }
        while open.last() == Some(&0) {
            open.pop();
        }
    }
    false
}

/// The first value of the document: how many values it contains if it is an array or a map, and its
/// size without them.
fn first_value(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let (marker, rest) = bytes.split_first()?;
    // A big-endian number of so many bytes.
    let number = |size: usize| {
        rest.get(..size).map(|b| b.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
    };
    let data =
        |header: usize, size: u64| usize::try_from(size).ok().map(|size| (None, 1 + header + size));
    match marker {
        0x80..=0x8f => Some((Some(2 * u64::from(marker & 0x0f)), 1)),
        0x90..=0x9f => Some((Some(u64::from(marker & 0x0f)), 1)),
        0xa0..=0xbf => data(0, u64::from(marker & 0x1f)),
        0xc4 | 0xd9 => data(1, number(1)?),
        0xc5 | 0xda => data(2, number(2)?),
        0xc6 | 0xdb => data(4, number(4)?),
        // An extension has a byte for its type.
        0xc7 => data(2, number(1)?),
        0xc8 => data(3, number(2)?),
        0xc9 => data(5, number(4)?),
        0xd4..=0xd8 => data(1, 1 << (marker - 0xd4)),
        0xcc | 0xd0 => data(0, 1),
        0xcd | 0xd1 => data(0, 2),
        0xca | 0xce | 0xd2 => data(0, 4),
        0xcb | 0xcf | 0xd3 => data(0, 8),
        0xdc => Some((Some(number(2)?), 3)),
        0xdd => Some((Some(number(4)?), 5)),
        0xde => Some((Some(2 * number(2)?), 3)),
        0xdf => Some((Some(2 * number(4)?), 5)),
        // Small numbers, nil, false and true.
        _ => Some((None, 1)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fields::{Fields, Payload};
    use super::super::writer::Writer;
    use super::*;

    /// A value of so many levels, with all kinds of values beside them.
    fn nested(levels: usize) -> Value {
        let text = "[{\"\\".repeat(40);
        (0..levels).fold(json!(1.5), |inner, level| match level % 3 {
            0 => json!([inner]),
            1 => {
                json!({ "k": inner, "text": text, "numbers": [0, -1, 200, 70_000, -70_000, null] })
            }
            _ => json!([true, "short", inner, vec![7; 20], 1.0e300]),
        })
    }

    #[test]
    fn what_is_written_can_be_read_and_what_could_not_be_read_is_refused() {
        for codec in [Codec::Json, Codec::MsgPack] {
            for levels in (0..20).chain(110..140) {
                let value = nested(levels);
                let written = Payload::encode(codec, &value);
                // The innermost value may have an array beside it.
                let limit = Codec::max_depth() - 1;
                assert!(written.is_ok() || levels + 1 >= limit, "{codec} {levels}");
                assert!(written.is_err() || levels <= limit, "{codec} {levels}");
                let Ok(payload) = written else { continue };
                let mut body = Writer::new(codec, 0);
                body.put_raw("args", &payload).expect("the same codec");
                let mut fields = Fields::split(codec, &body.finish()).expect("readable");
                assert_eq!(fields.take::<Value>("args"), Ok(Some(value)), "{codec} {levels}");
            }
        }
    }
}
