//! Text that comes from jobs. Templates escape it; what escaping leaves is dealt with here.

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
