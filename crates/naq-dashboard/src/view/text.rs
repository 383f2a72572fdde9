//! Text that comes from jobs. Templates escape it; what escaping leaves is dealt with here.

use std::sync::LazyLock;

use naq_core::redact::Redactor;

static REDACTOR: LazyLock<Redactor> = LazyLock::new(Redactor::default);

/// What an error, a decision or a person has said, without the secrets in it, cut to `max`
/// characters. Workers leave them out of what they write; not all of them are ours.
pub(crate) fn said(text: &str, max: usize) -> String {
    clip(&REDACTOR.redact_text(text), max)
}

/// The text without what changes how its surroundings are read: control characters but for line
/// breaks and tabs, and marks that turn the direction of writing. Each becomes `�`, so that it can be
/// seen that something was there.
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

/// The same, cut to `max` characters.
pub(crate) fn clip(text: &str, max: usize) -> String {
    let mut out = clean(text);
    if let Some((at, _)) = out.char_indices().nth(max) {
        out.truncate(at);
        out.push('…');
    }
    out
}
