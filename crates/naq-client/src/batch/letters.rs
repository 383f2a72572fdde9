//! The dead letters of a page, stored as one blob. An undo restores them byte for byte.

use bytes::Bytes;
use naq_core::transport::Stored;
use naq_core::wire::WireMessage;
use serde::{Deserialize, Serialize};

/// A letter without its body.
#[derive(Debug, Serialize, Deserialize)]
struct LetterHeader {
    seq: u64,
    headers: Vec<(String, String)>,
    bytes: usize,
}

/// One line of JSON with the headers of all letters, followed by their bodies.
pub(super) fn pack(letters: &[Stored]) -> Bytes {
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let header = |letter: &Stored| LetterHeader {
        seq: letter.seq,
        headers: letter.message.headers().map(owned).collect(),
        bytes: letter.message.body.len(),
    };
    let all: Vec<_> = letters.iter().map(header).collect();
    // Texts and numbers can always be written as JSON.
    let mut packed = serde_json::to_vec(&all).unwrap_or_default();
    packed.push(b'\n');
    letters.iter().for_each(|letter| packed.extend_from_slice(&letter.message.body));
    packed.into()
}

/// The letters of a blob, with their old sequences. `None` if it is not a blob of letters.
pub(super) fn unpack(packed: &Bytes) -> Option<Vec<(u64, WireMessage)>> {
    let line = packed.split(|byte| *byte == b'\n').next()?;
    let all: Vec<LetterHeader> = serde_json::from_slice(line).ok()?;
    let mut at = line.len() + 1;
    let mut letters = Vec::with_capacity(all.len());
    for LetterHeader { seq, headers, bytes } in all {
        let end = at.checked_add(bytes).filter(|end| *end <= packed.len())?;
        let message = WireMessage::new(packed.slice(at..end));
        let message =
            headers.iter().fold(message, |message, (name, value)| message.with(name, value));
        letters.push((seq, message));
        at = end;
    }
    Some(letters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use naq_core::clock::Timestamp;
    use naq_core::transport::Place;

    fn letter(seq: u64, body: &'static [u8]) -> Stored {
        let message = WireMessage::new(Bytes::from_static(body))
            .with("Naq-Step", "a/1/0")
            .with("Naq-Error", "line one\nline two \"quoted\"")
            .with("X-Twice", "1")
            .with("X-Twice", "2");
        let key = "mail/a".parse().expect("a key");
        Stored {
            key,
            place: Place::Dead,
            seq,
            stored_at: Timestamp::from_millis(1),
            due_at: None,
            delivered: false,
            message,
        }
    }

    #[test]
    fn letters_come_back_byte_for_byte() {
        let letters = [letter(7, b"\x00\xff\n{}"), letter(9, b""), letter(11, b"{\"task\": 1}\n")];
        let back = unpack(&pack(&letters)).expect("a blob");
        let expected: Vec<_> = letters.iter().map(|it| (it.seq, it.message.clone())).collect();
        assert_eq!(back, expected);
    }

    #[test]
    fn a_blob_of_something_else_is_none() {
        let whole = pack(&[letter(7, b"body")]);
        for bad in [&b""[..], b"{}", b"[]x", b"[{\"seq\":1}]\n", &whole[..whole.len() - 1]] {
            let read = unpack(&Bytes::copy_from_slice(bad));
            assert!(read.is_none_or(|letters| letters.is_empty()), "{bad:?}");
        }
    }
}
