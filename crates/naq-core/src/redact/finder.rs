//! [`Finder`]: where secrets are in a text.

use std::ops::Range;

use super::value::{bracketed, quoted};
use super::{Named, REDACTED, Redactor, is_count};

/// What `Bearer` is followed by is a secret from this length on; shorter, it is a word.
const MIN_BEARER: usize = 6;
const MIN_BASIC: usize = 8;
const MIN_JWT: usize = 20;
/// How far behind a slash the `@` of a password with a slash in it is looked for, in bytes.
const MAX_USERINFO: usize = 512;

/// A look that costs little, for the text that has none.
pub(super) fn may_hold_secrets(text: &str) -> bool {
    text.bytes().any(|b| matches!(b, b'=' | b':'))
        || [" ", "eyJ"].iter().all(|sign| text.contains(sign))
        || text.split_whitespace().any(|word| {
            word.starts_with("--")
                || word.starts_with("eyJ")
                || is_scheme(word.trim_start_matches(|c: char| !c.is_alphanumeric()))
        })
}

fn is_scheme(word: &str) -> bool {
    word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic")
}

fn is_key_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// Ends a value without quotes.
fn ends_value(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, ',' | ';' | '&' | ')' | '}' | ']' | '>' | '<' | '"' | '\'' | '`')
}

/// Finds secrets from left to right, none within another.
pub(super) struct Finder<'a> {
    pub(super) redactor: &'a Redactor,
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl Iterator for Finder<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        while self.at < self.text.len() {
            let rest = &self.text[self.at..];
            if let Some(after) = rest.strip_prefix("://") {
                let begin = self.text.len() - after.len();
                match userinfo(after) {
                    Some(len) => {
                        self.at = begin + len;
                        return Some(begin..self.at);
                    }
                    None => self.at = begin,
                }
                continue;
            }
            let len = rest.find(|c| !is_key_char(c)).unwrap_or(rest.len());
            if len == 0 {
                self.at += rest.chars().next().map_or(1, char::len_utf8);
                continue;
            }
            let (begin, word) = (self.at, &rest[..len]);
            self.at += len;
            if let Some(secret) = self.secret_of(begin, word) {
                self.at = secret.end;
                if !secret.is_empty() {
                    return Some(secret);
                }
            }
        }
        None
    }
}

impl Finder<'_> {
    /// The secret that this word is, or is followed by.
    fn secret_of(&self, begin: usize, word: &str) -> Option<Range<usize>> {
        if word.starts_with("eyJ") && word.len() >= MIN_JWT && word.contains('.') {
            return Some(begin..begin + word.len());
        }
        let rest = &self.text[self.at..];
        if is_scheme(word) {
            let begin = self.at + blank(rest);
            let value = &self.text[begin..];
            if value.starts_with(REDACTED) {
                return Some(begin..begin + REDACTED.len());
            }
            let len = value.find(ends_value).unwrap_or(value.len());
            let long = match word.len() {
                6 => len >= MIN_BEARER,
                // A word in a sentence, or a user and a password?
                _ => len >= MIN_BASIC && value[..len].chars().any(|c| c == '=' || c.is_numeric()),
            };
            return (begin > self.at && long).then(|| begin..begin + len);
        }
        let option = word.starts_with("--") && rest.starts_with(char::is_whitespace);
        let value = match option {
            true => Some(self.at + blank(rest)),
            false => self.at_value(rest),
        }?;
        let named = self.redactor.named(word);
        let secret = (named != Named::Nothing).then(|| self.value(value))?;
        (named == Named::One || !is_count(&self.text[secret.clone()])).then_some(secret)
    }

    /// Where the value begins, if this goes on as a key does: `=`, `: `, `": `.
    fn at_value(&self, rest: &str) -> Option<usize> {
        let unquoted = rest.strip_prefix("\\\"").or_else(|| rest.strip_prefix(['"', '\'', '`']));
        let after = unquoted.unwrap_or(rest).trim_start_matches([' ', '\t']);
        let value = after.strip_prefix("=>").or_else(|| after.strip_prefix(['=', ':']))?;
        let value = value.trim_start_matches([' ', '\t']);
        // A path, or the time of day, is no value of a key.
        (!value.starts_with("//") && !value.starts_with(':')).then(|| self.text.len() - value.len())
    }

    /// The value that begins there, without its quotes, but with its brackets; one that is never closed
    /// goes on to the end.
    fn value(&self, begin: usize) -> Range<usize> {
        let value = &self.text[begin..];
        if value.starts_with(REDACTED) {
            return begin..begin + REDACTED.len();
        }
        if let Some(quoted) = quoted(value) {
            return begin + quoted.inside.start..begin + quoted.inside.end;
        }
        if let Some(len) = bracketed(value) {
            return begin..begin + len;
        }
        let mut end = value.find(ends_value).unwrap_or(value.len());
        // `Authorization: Bearer x`, and `Cookie: a=b; c=d`.
        if value[..end].chars().all(char::is_alphabetic) && is_auth_scheme(&value[..end]) {
            let next = end + blank(&value[end..]);
            end = value[next..].find(ends_value).map_or(value.len(), |len| next + len);
        }
        while let Some(pair) = value[end..].strip_prefix("; ") {
            let len = pair.find(ends_value).unwrap_or(pair.len());
            if !pair[..len].contains('=') {
                break;
            }
            end += 2 + len;
        }
        begin..begin + end
    }
}

fn is_auth_scheme(word: &str) -> bool {
    is_scheme(word) || ["token", "digest", "apikey"].iter().any(|it| word.eq_ignore_ascii_case(it))
}

fn blank(text: &str) -> usize {
    text.len() - text.trim_start_matches([' ', '\t']).len()
}

/// How long the user and password are at the beginning of what follows `://`.
fn userinfo(after: &str) -> Option<usize> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>');
    let authority = after.find(|c| ends(c) || matches!(c, '/' | '?' | '#')).unwrap_or(after.len());
    if let Some(at) = after[..authority].rfind('@') {
        return Some(at);
    }
    // A password may have a slash in it that nobody has escaped; a port has none.
    let (_, port) = after[..authority].split_once(':')?;
    if port.is_empty() || port.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let near = after[authority..].char_indices().take_while(|(i, _)| *i < MAX_USERINFO);
    let mut near = near.take_while(|(_, c)| !ends(*c));
    near.find(|(_, c)| *c == '@').map(|(i, _)| authority + i)
}
