//! Texts that may be encrypted: messages of errors.

use std::borrow::Cow;

use crate::wire::{SealedText, shown_key};

/// The id of the key with which a text is encrypted. None for a plain text.
pub fn key_of_text(text: &str) -> Option<String> {
    SealedText::parse(text.as_bytes()).map(|sealed| shown_key(sealed.key))
}

/// The text as lists, logs and statistics show it: of an encrypted one only the id of its key. So all
/// errors of one kind that are encrypted with one key are one group.
pub fn shown_text(text: &str) -> Cow<'_, str> {
    match key_of_text(text) {
        None => Cow::Borrowed(text),
        Some(key) => Cow::Owned(format!("encrypted with key {key}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_encrypted_text_only_the_key_is_shown_also_if_the_text_was_cut() {
        for (text, shown) in [
            ("connection refused", "connection refused"),
            ("naq:sealed:1:k2:AAAA", "encrypted with key k2"),
            ("naq:sealed:2:k2:AA…", "encrypted with key k2"),
            ("naq:sealed:1:<b>:AAAA", "encrypted with key b"),
            ("naq:sealed:", "naq:sealed:"),
        ] {
            assert_eq!(shown_text(text), shown);
        }
    }
}
