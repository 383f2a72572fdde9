//! [`SecretFinder`]: finds the secrets in a text.

use std::ops::Range;

use super::keys::{KeyMatch, REDACTED, SecretKeys, is_count};
use super::value::{bracketed, quoted};

/// A text after `Bearer` is a secret if it has at least this length; a shorter one is a word.
const MIN_BEARER: usize = 6;
const MIN_BASIC: usize = 8;
const MIN_JWT: usize = 20;
/// How far after a slash the `@` of a password that contains a slash may be, in bytes.
const MAX_USERINFO: usize = 512;

/// A cheap check, so that most texts without secrets need no search.
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

/// Whether the character ends a value without quotes.
fn ends_value(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, ',' | ';' | '&' | ')' | '}' | ']' | '>' | '<' | '"' | '\'' | '`')
}

/// Finds secrets from left to right. They do not overlap.
pub(super) struct SecretFinder<'a> {
    pub(super) keys: &'a SecretKeys,
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl Iterator for SecretFinder<'_> {
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
            let begin = self.at;
            let word = &rest[..len];
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

impl SecretFinder<'_> {
    /// The secret that this word is, or that follows this word.
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
                // It may also be a word in a sentence.
                _ => len >= MIN_BASIC && value[..len].chars().any(|c| c == '=' || c.is_numeric()),
            };
            return (begin > self.at && long).then(|| begin..begin + len);
        }
        let option = word.starts_with("--") && rest.starts_with(char::is_whitespace);
        let value = match option {
            true => Some(self.at + blank(rest)),
            false => self.at_value(rest),
        }?;
        let named = self.keys.find(word);
        let secret = (named != KeyMatch::NotSecret).then(|| self.value(value))?;
        (named == KeyMatch::Secret || !is_count(&self.text[secret.clone()])).then_some(secret)
    }

    /// The start of the value, if the text continues as after a key: `=`, `: `, `": `.
    fn at_value(&self, rest: &str) -> Option<usize> {
        let unquoted = rest.strip_prefix("\\\"").or_else(|| rest.strip_prefix(['"', '\'', '`']));
        let after = unquoted.unwrap_or(rest).trim_start_matches([' ', '\t']);
        let value = after.strip_prefix("=>").or_else(|| after.strip_prefix(['=', ':']))?;
        let value = value.trim_start_matches([' ', '\t']);
        // A path or a time of day is not the value of a key.
        (!value.starts_with("//") && !value.starts_with(':')).then(|| self.text.len() - value.len())
    }

    /// The value that begins here, without its quotes but with its brackets. A value that is not closed
    /// extends to the end of the text.
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

/// The length of the user and password after `://`.
fn userinfo(after: &str) -> Option<usize> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>');
    let authority = after.find(|c| ends(c) || matches!(c, '/' | '?' | '#')).unwrap_or(after.len());
    if let Some(at) = after[..authority].rfind('@') {
        return Some(at);
    }
    // A password may contain a slash that is not escaped; a port may not.
    let (_, port) = after[..authority].split_once(':')?;
    if port.is_empty() || port.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let near = after[authority..].char_indices().take_while(|(i, _)| *i < MAX_USERINFO);
    let mut near = near.take_while(|(_, c)| !ends(*c));
    near.find(|(_, c)| *c == '@').map(|(i, _)| authority + i)
}
