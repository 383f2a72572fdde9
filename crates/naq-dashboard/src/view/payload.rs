//! [`Shown`]: what a job carries, as a page shows it.

use naq_core::{Codec, Payload};

use super::clean;

/// Characters of a value that a page shows.
const MAX_SHOWN: usize = 64 * 1024;
/// Bytes of what cannot be read that a page shows.
const MAX_HEX: usize = 512;

/// A value, its secrets replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) text: String,
    /// What is not as it was, in words: cut, not JSON.
    pub(crate) note: Option<String>,
}

impl Shown {
    /// A payload as JSON, with line breaks; in hex where it is not what it says.
    pub(crate) fn of(payload: &Payload) -> Self {
        match payload.decode::<serde_json::Value>() {
            Ok(value) => Self::json(value),
            Err(err) => Self::hex(payload.bytes(), &err.to_string(), Some(payload.codec())),
        }
    }

    /// A document.
    pub(crate) fn json(value: serde_json::Value) -> Self {
        let text = serde_json::to_string_pretty(&value).unwrap_or_else(|err| err.to_string());
        let all = text.len();
        match text.char_indices().nth(MAX_SHOWN) {
            None => Self { text: clean(&text), note: None },
            Some((end, _)) => Self {
                text: clean(&text[..end]),
                note: Some(format!("the first {end} of {all} bytes; `naq job show` prints all")),
            },
        }
    }

    /// Bytes that are not what they should be, because of `why`.
    pub(crate) fn hex(bytes: &[u8], why: &str, codec: Option<Codec>) -> Self {
        let lines = bytes.chunks(16).take(MAX_HEX / 16).map(|line| {
            let hex: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
            let plain = |byte: &u8| match byte {
                b' '..=b'~' => char::from(*byte),
                _ => '.',
            };
            let plain: String = line.iter().map(plain).collect();
            format!("{:<47}  {plain}", hex.join(" "))
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        let said = codec.map_or(String::new(), |codec| format!("not {codec}: "));
        let all = bytes.len();
        let shown = all.min(MAX_HEX);
        let cut = if shown < all {
            format!(" (the first {shown} of {all} bytes)")
        } else {
            String::new()
        };
        Self { text, note: Some(clean(&format!("{said}{why}{cut}"))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_json_has_line_breaks_and_what_is_not_is_hex_with_a_reason() {
        let payload = Payload::encode(Codec::MsgPack, &[1, 2]).expect("writes");
        assert_eq!(Shown::of(&payload), Shown { text: "[\n  1,\n  2\n]".into(), note: None });
        let hex = Shown::hex(b"ab\xff<script>01234", "it is nothing", None);
        assert!(hex.text.starts_with("61 62 ff 3c"), "{}", hex.text);
        assert!(hex.text.ends_with("ab.<script>01234"), "{}", hex.text);
        let note = Shown::hex(&[0; 2_000], "it is nothing", None).note;
        assert_eq!(note.as_deref(), Some("it is nothing (the first 512 of 2000 bytes)"));
    }

    #[test]
    fn a_long_value_is_cut_and_says_so() {
        let payload = Payload::encode(Codec::Json, &"é".repeat(MAX_SHOWN + 7)).expect("writes");
        let shown = Shown::of(&payload);
        assert_eq!(shown.text.chars().count(), MAX_SHOWN);
        assert!(shown.note.is_some_and(|note| note.contains("naq job show")));
    }
}
