//! [`pattern`]: an error message without the parts that differ between failures.

/// The most characters of a message that are used.
pub(super) const MAX_CHARS: usize = 300;

/// Replaces each part that was removed.
const GAP: char = '…';

/// The message without ids, numbers, hexadecimal digits, UUIDs, quoted strings and paths, so that
/// failures with the same cause have the same text. Each of these becomes `…`, and several spaces become
/// one.
///
/// ```
/// use naq_core::stats::pattern;
///
/// assert_eq!(pattern("order 2317 not found in '/var/x'"), "order … not found in …");
/// assert_eq!(
///     pattern("timeout after 30.5s at 10.0.0.7:5432 (0x7fA2)"),
///     "timeout after … at … (…)",
/// );
/// ```
pub fn pattern(message: &str) -> String {
    let mut out = String::new();
    let clipped: Vec<char> = message.chars().take(MAX_CHARS).collect();
    let mut rest = &clipped[..];
    while let Some((&first, after)) = rest.split_first() {
        if first.is_whitespace() || first.is_control() {
            if !out.ends_with(' ') && !out.is_empty() {
                out.push(' ');
            }
            rest = after;
        } else if let Some(after) = quoted(rest, out.chars().next_back()) {
            gap(&mut out);
            rest = after;
        } else if is_word(first) {
            let end = rest.iter().position(|c| !is_word(*c)).unwrap_or(rest.len());
            // A full stop, colon or comma at the end is not part of the word.
            let end = rest[..end]
                .iter()
                .rposition(|c| !matches!(c, '.' | ':' | ','))
                .map_or(end, |last| last + 1);
            let (word, after) = rest.split_at(end.max(1));
            match varies(word) {
                true => gap(&mut out),
                false => out.extend(word),
            }
            rest = after;
        } else {
            out.push(first);
            rest = after;
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn gap(out: &mut String) {
    if !out.ends_with(GAP) {
        out.push(GAP);
    }
}

/// The text after the quoted string that begins here. An apostrophe within a word is not a quote.
fn quoted(text: &[char], before: Option<char>) -> Option<&[char]> {
    let (&open, rest) = text.split_first()?;
    let close = match open {
        '"' | '`' => open,
        '\'' if !before.is_some_and(char::is_alphanumeric) => open,
        '“' => '”',
        '«' => '»',
        _ => return None,
    };
    let mut escaped = false;
    let end = rest.iter().position(|c| {
        let ends = *c == close && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    })?;
    Some(&rest[end + 1..])
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric()
        || matches!(c, '_' | '-' | '.' | ':' | '/' | '\\' | '@' | '%' | '+' | '~' | '#')
}

/// Whether the word may differ between failures: it has a digit, or is a path or an address.
fn varies(word: &[char]) -> bool {
    let slashes = word.iter().filter(|c| matches!(c, '/' | '\\')).count();
    let rooted = matches!(word.first(), Some('/' | '~' | '\\')) && word.len() > 1;
    let hex = word.len() >= 8 && word.iter().all(|c| c.is_ascii_hexdigit() || *c == '-');
    word.iter().any(char::is_ascii_digit) || rooted || slashes >= 2 || word.contains(&'@') || hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_with_one_cause_read_the_same() {
        for (a, b) in [
            ("user 17 not found", "user 4242 not found"),
            (
                "job 0196f1aa-77aa-7cc1-a111-0242ac120002 gone",
                "job 0196f1aa-0000-7cc1-a111-0242ac120003 gone",
            ),
            ("can't open \"a b.txt\": denied", "can't open \"c\": denied"),
            (
                "GET https://api.example.com/v1/users/7 failed",
                "GET https://api.example.com/v1/users/a failed",
            ),
            ("digest deadbeefcafe differs", "digest cafedeadbeef differs"),
            ("read /tmp/x/1: io", "read /home/y/z: io"),
            ("mail to ann@example.com bounced", "mail to bob@example.org bounced"),
            ("line 1\n\tline 2", "line 7 line 8"),
        ] {
            assert_eq!(pattern(a), pattern(b), "{a} | {b}");
        }
    }

    #[test]
    fn the_pattern_keeps_the_parts_that_distinguish_causes() {
        assert_eq!(pattern("connection refused"), "connection refused");
        assert_eq!(pattern("it isn't the user's fault"), "it isn't the user's fault");
        assert_eq!(pattern("timeout: read/write."), "timeout: read/write.");
        assert_eq!(pattern(""), "");
        assert_ne!(pattern("disk full"), pattern("disk gone"));
    }

    #[test]
    fn nothing_hostile_makes_it_long_or_fail() {
        for odd in ["'", "\"\\", "\u{0}\u{1b}[31m", &"x'".repeat(10_000), &"\u{202e}7".repeat(999)]
        {
            assert!(pattern(odd).chars().count() <= MAX_CHARS, "{odd:.20}");
        }
    }
}
