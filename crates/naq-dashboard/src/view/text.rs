//! Text from jobs. Templates escape it; this module removes what escaping leaves in.

use std::sync::LazyLock;

use naq_core::redact::Redactor;

static REDACTOR: LazyLock<Redactor> = LazyLock::new(Redactor::default);

/// The text of an error, a decision or a person, without secrets and cut to `max` characters. NAQ's
/// workers write no secrets, but other clients may.
pub(crate) fn redacted(text: &str, max: usize) -> String {
    clip(&REDACTOR.redact_text(text), max)
}

/// Replaces characters that change how the text around them is read: control characters except line
/// breaks and tabs, and marks that change the direction of writing. Each becomes `�`, so that the
/// reader sees that a character was there.
pub(crate) fn clean(text: &str) -> String {
    let harmless = |c: char| match c {
        '\n' | '\t' => c,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => '\u{fffd}',
        '\u{feff}' | '\u{61c}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(harmless).collect()
}

/// [`clean`], cut to `max` characters.
pub(crate) fn clip(text: &str, max: usize) -> String {
    let mut out = clean(text);
    if let Some((at, _)) = out.char_indices().nth(max) {
        out.truncate(at);
        out.push('…');
    }
    out
}
