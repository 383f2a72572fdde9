//! [`PayloadView`]: arguments or a result, as a page shows them.

use std::borrow::Cow;

use naq_core::Payload;
use naq_core::redact::Redactor;

use super::{clean, clip};

/// The most characters of a value that a page shows.
const MAX_CHARS: usize = 64 * 1024;
/// The most bytes of an unreadable value that a page shows.
const MAX_BYTES: usize = 512;

/// A value, with its secrets replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PayloadView {
    pub(crate) text: String,
    /// Why the text is not the whole value: it was cut, or it is not JSON.
    pub(crate) note: Option<String>,
}

impl PayloadView {
    /// A payload as indented JSON; in hex if it cannot be decoded. Of an encrypted one only the id of the
    /// key.
    pub(crate) fn of(payload: &Payload, redactor: &Redactor) -> Self {
        if let Some(key) = payload.encrypted_with() {
            let note = "start the dashboard with this key to see it";
            return Self { text: format!("encrypted with key {key}"), note: Some(note.into()) };
        }
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

    /// A JSON value, indented.
    pub(crate) fn json(value: serde_json::Value) -> Self {
        let text = serde_json::to_string_pretty(&value).unwrap_or_else(|err| err.to_string());
        let all = text.len();
        match text.char_indices().nth(MAX_CHARS) {
            None => Self { text: clean(&text), note: None },
            Some((end, _)) => Self {
                text: clean(&text[..end]),
                note: Some(format!("the first {end} of {all} bytes; `naq job show` prints all")),
            },
        }
    }

    /// Bytes that cannot be decoded, and `why`: in hex, or as text if secrets have to be replaced.
    pub(crate) fn unreadable(bytes: &[u8], why: &str, redactor: &Redactor) -> Self {
        let text = String::from_utf8_lossy(bytes);
        match redactor.redact_text(&text) {
            Cow::Borrowed(_) => Self::hex(bytes, why),
            Cow::Owned(text) => {
                let note = format!("{why} (shown as text, without secrets)");
                Self { text: clip(&text, MAX_BYTES), note: Some(clean(&note)) }
            }
        }
    }

    fn hex(bytes: &[u8], why: &str) -> Self {
        let rows = bytes.chunks(16).take(MAX_BYTES / 16).map(|row| {
            let hex: Vec<_> = row.iter().map(|byte| format!("{byte:02x}")).collect();
            let printable = |byte: &u8| match byte {
                b' '..=b'~' => char::from(*byte),
                _ => '.',
            };
            let plain: String = row.iter().map(printable).collect();
            format!("{:<47}  {plain}", hex.join(" "))
        });
        let text = rows.collect::<Vec<_>>().join("\n");
        let all = bytes.len();
        let shown = all.min(MAX_BYTES);
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
    fn json_is_indented_and_other_bytes_are_hex_with_a_reason() {
        let payload = Payload::encode(Codec::MsgPack, &[1, 2]).expect("writes");
        assert_eq!(
            PayloadView::of(&payload, &Redactor::none()),
            PayloadView { text: "[\n  1,\n  2\n]".into(), note: None }
        );
        let hex = PayloadView::hex(b"ab\xff<script>01234", "it is nothing");
        assert!(hex.text.starts_with("61 62 ff 3c"), "{}", hex.text);
        assert!(hex.text.ends_with("ab.<script>01234"), "{}", hex.text);
        let note = PayloadView::hex(&[0; 2_000], "it is nothing").note;
        assert_eq!(note.as_deref(), Some("it is nothing (the first 512 of 2000 bytes)"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let value = serde_json::json!({"user": "ann", "password": "hunter2"});
        let payload = Payload::encode(Codec::Json, &value).expect("writes");
        let shown = PayloadView::of(&payload, &Redactor::default()).text;
        assert!(shown.contains("ann") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_long_value_is_cut_and_its_note_says_so() {
        let payload = Payload::encode(Codec::Json, &"é".repeat(MAX_CHARS + 7)).expect("writes");
        let shown = PayloadView::of(&payload, &Redactor::none());
        assert_eq!(shown.text.chars().count(), MAX_CHARS);
        assert!(shown.note.is_some_and(|note| note.contains("naq job show")));
    }
}
