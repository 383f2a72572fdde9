//! The length of a value in a text, in the notations of several languages.

use std::ops::Range;

/// The prefixes of quoted literals in several languages.
const PREFIXES: [&str; 8] = ["r", "b", "br", "rb", "u", "f", "c", "cr"];

/// A quoted text: the range between the quotes, and its end after the quotes. A quote that is not closed
/// extends to the end of the text.
pub(super) struct Quoted {
    pub(super) inside: Range<usize>,
    end: usize,
}

/// The quoted text that begins here: `"x"`, `\"x\"`, `'x'`, `r#"x"#`, `b"x"`.
pub(super) fn quoted(text: &str) -> Option<Quoted> {
    let word = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let prefix = text.get(..word)?;
    if !prefix.is_empty() && !PREFIXES.iter().any(|it| prefix.eq_ignore_ascii_case(it)) {
        return None;
    }
    let rest = &text[word..];
    let hashes =
        if prefix.is_empty() { 0 } else { rest.len() - rest.trim_start_matches('#').len() };
    let rest = &rest[hashes..];
    let escaped = rest.starts_with("\\\"");
    if !escaped && !rest.starts_with(['"', '\'', '`']) {
        return None;
    }
    let quote = if escaped { 2 } else { 1 };
    let begin = word + hashes + quote;
    let close = format!("{}{}", &rest[..quote], "#".repeat(hashes));
    let verbatim = escaped || hashes > 0;
    let mut after_backslash = false;
    for (at, c) in text[begin..].char_indices() {
        if c == close.as_bytes()[0].into()
            && text[begin + at..].starts_with(&close)
            && (verbatim || !after_backslash)
        {
            return Some(Quoted { inside: begin..begin + at, end: begin + at + close.len() });
        }
        after_backslash = c == '\\' && !after_backslash;
    }
    Some(Quoted { inside: begin..text.len(), end: text.len() })
}

/// The length of the bracketed value that begins here, with its name: `Some("x")`, `["x"]`,
/// `Secret { db: "x" }`. A bracket that is not closed extends to the end of the text.
pub(super) fn bracketed(text: &str) -> Option<usize> {
    let name = text.trim_start_matches(['&', '*']);
    let word = name.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':' | '!')));
    let mut at = text.len() - name.len() + word?;
    // A struct has a space before its fields, but so does much other text.
    if text[at..].starts_with(" {") && name.starts_with(char::is_uppercase) {
        at += 1;
    }
    if !text[at..].starts_with(['(', '[', '{']) {
        return None;
    }
    let mut depth = 0_usize;
    let mut before = ' ';
    while let Some(c) = text[at..].chars().next() {
        let quote = matches!(c, '"' | '\\' | '`') || (c == '\'' && !before.is_alphanumeric());
        if quote && let Some(quoted) = quoted(&text[at..]) {
            at += quoted.end;
            before = '"';
            continue;
        }
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        at += c.len_utf8();
        if depth == 0 {
            return Some(at);
        }
        before = c;
    }
    Some(text.len())
}
