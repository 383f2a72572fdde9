//! [`Shown`]: what a job carries, as a page shows it.

use std::borrow::Cow;

use naq_core::Payload;
use naq_core::redact::Redactor;

use super::{clean, clip};

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
    pub(crate) fn of(payload: &Payload, redactor: &Redactor) -> Self {
        match payload.decode::<serde_json::Value>() {
            Ok(mut value) => {
                redactor.redact_json(&mut value);
                Self::json(value)
            }
            Err(err) => {
                let why = format!("not {}: {err}", payload.codec());
                Self::unreadable(payload.bytes(), &why, redactor)
            }
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

    /// Bytes that are not what they should be, because of `why`: in hex, or as text where there are
    /// secrets to be left out.
    pub(crate) fn unreadable(bytes: &[u8], why: &str, redactor: &Redactor) -> Self {
        let text = String::from_utf8_lossy(bytes);
        match redactor.redact_text(&text) {
            Cow::Borrowed(_) => Self::hex(bytes, why),
            Cow::Owned(text) => {
                let note = format!("{why} (as text, without its secrets)");
                Self { text: clip(&text, MAX_HEX), note: Some(clean(&note)) }
            }
        }
    }

    fn hex(bytes: &[u8], why: &str) -> Self {
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
        let all = bytes.len();
        let shown = all.min(MAX_HEX);
        let cut = if shown < all {
            format!(" (the first {shown} of {all} bytes)")
        } else {
            String::new()
        };
        Self { text, note: Some(clean(&format!("{why}{cut}"))) }
    }
}

#[cfg(test)]
mod tests {
    use naq_core::Codec;

    use super::*;

    #[test]
    fn what_is_json_has_line_breaks_and_what_is_not_is_hex_with_a_reason() {
        let payload = Payload::encode(Codec::MsgPack, &[1, 2]).expect("writes");
        assert_eq!(
            Shown::of(&payload, &Redactor::none()),
            Shown { text: "[\n  1,\n  2\n]".into(), note: None }
        );
        let hex = Shown::hex(b"ab\xff<script>01234", "it is nothing");
        assert!(hex.text.starts_with("61 62 ff 3c"), "{}", hex.text);
        assert!(hex.text.ends_with("ab.<script>01234"), "{}", hex.text);
        let note = Shown::hex(&[0; 2_000], "it is nothing").note;
        assert_eq!(note.as_deref(), Some("it is nothing (the first 512 of 2000 bytes)"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let value = serde_json::json!({"user": "ann", "password": "hunter2"});
        let payload = Payload::encode(Codec::Json, &value).expect("writes");
        let shown = Shown::of(&payload, &Redactor::default()).text;
        assert!(shown.contains("ann") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_long_value_is_cut_and_says_so() {
        let payload = Payload::encode(Codec::Json, &"é".repeat(MAX_SHOWN + 7)).expect("writes");
        let shown = Shown::of(&payload, &Redactor::none());
        assert_eq!(shown.text.chars().count(), MAX_SHOWN);
        assert!(shown.note.is_some_and(|note| note.contains("naq job show")));
    }
}
