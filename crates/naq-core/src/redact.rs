//! [`Redactor`]: takes secrets out of what is stored and shown.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

/// What stands in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// What keys are called whose values nobody need see: the words of a key without `_`, `-` and capital
/// letters.
const KEYS: [&str; 17] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "authorization",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "credentials",
    "cookie",
    "ssn",
    "card",
    "cvv",
    "cvc",
];
/// A shorter word counts only as a whole one: `card_number`, and not `discard`.
const MIN_ENDING: usize = 5;
/// What `Bearer` is followed by is a secret from this length on; shorter, it is a word.
const MIN_BEARER: usize = 6;
const MIN_BASIC: usize = 8;
const MIN_JWT: usize = 20;
/// How far behind a slash the `@` of a password with a slash in it is looked for, in bytes.
const MAX_USERINFO: usize = 512;

/// Hides the values of keys that are called like a secret, in text and in JSON, and what looks like
/// one by itself: `Bearer` and `Basic` credentials, JSON web tokens, user and password in a URL.
///
/// It knows names, not meanings: a secret under a name that it does not know stays as it is.
///
/// ```
/// use naq_core::redact::Redactor;
///
/// let redactor = Redactor::default().key("iban");
/// assert_eq!(
///     redactor.redact_text("401 for https://bob:hunter2@api.example, api_key=k3y, iban: DE02"),
///     "401 for https://[redacted]@api.example, api_key=[redacted], iban: [redacted]",
/// );
/// let mut args = serde_json::json!({"to": "ann", "smtp": {"userPassword": "hunter2"}});
/// redactor.redact_json(&mut args);
/// assert_eq!(args, serde_json::json!({"to": "ann", "smtp": {"userPassword": "[redacted]"}}));
/// ```
#[derive(Debug, Clone)]
pub struct Redactor {
    /// In lower case, letters and digits only; none hides nothing.
    keys: Arc<[String]>,
}

impl Default for Redactor {
    fn default() -> Self {
        Self { keys: KEYS.map(str::to_owned).into() }
    }
}

impl Redactor {
    /// Hides nothing.
    pub fn none() -> Self {
        Self { keys: Arc::default() }
    }

    /// Hides the values of this key, too.
    ///
    /// # Panics
    /// When there is no letter or digit in it.
    #[must_use]
    pub fn key(self, key: impl AsRef<str>) -> Self {
        let key = plain(key.as_ref());
        assert!(!key.is_empty(), "a key to hide has at least one letter or digit");
        Self { keys: self.keys.iter().cloned().chain([key]).collect() }
    }

    /// Whether the value of this key, or header, is hidden.
    pub fn hides(&self, key: &str) -> bool {
        let whole = plain(key);
        let words = words(key);
        let is_secret = |secret: &String| {
            (secret.len() >= MIN_ENDING && whole.ends_with(secret.as_str()))
                || words.contains(secret)
                || words.windows(2).any(|pair| pair.concat() == *secret)
        };
        self.keys.iter().any(is_secret)
    }

    /// The text without secrets; the text itself where it has none.
    pub fn redact_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.keys.is_empty() || !may_hold_secrets(text) {
            return Cow::Borrowed(text);
        }
        let mut out = String::new();
        let mut kept = 0;
        for secret in (Finder { redactor: self, text, at: 0 }) {
            if &text[secret.clone()] != REDACTED {
                out.push_str(&text[kept..secret.start]);
                out.push_str(REDACTED);
                kept = secret.end;
            }
        }
        if kept == 0 {
            return Cow::Borrowed(text);
        }
        out.push_str(&text[kept..]);
        Cow::Owned(out)
    }

    /// Takes the secrets out of a JSON value: of every object in it those of its keys, and of every
    /// string what [`redact_text`](Self::redact_text) does.
    pub fn redact_json(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(redacted) = self.redact_text(text) {
                    *text = redacted;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.redact_json(item)),
            Value::Object(fields) => {
                for (key, value) in fields {
                    match value {
                        Value::Null => {}
                        value if self.hides(key) => *value = REDACTED.into(),
                        value => self.redact_json(value),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// Letters and digits, in lower case.
fn plain(key: &str) -> String {
    key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// `x-apiKey_id` is `x`, `api`, `key`, `id`.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower_before = false;
    for c in key.chars() {
        let begins = !c.is_alphanumeric() || (c.is_uppercase() && lower_before);
        if begins && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        lower_before = c.is_lowercase() || c.is_numeric();
        if let Some(word) = words.last_mut()
            && c.is_alphanumeric()
        {
            word.extend(c.to_lowercase());
        }
    }
    words
}

/// A look that costs little, for the text that has none.
fn may_hold_secrets(text: &str) -> bool {
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
struct Finder<'a> {
    redactor: &'a Redactor,
    text: &'a str,
    at: usize,
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
        self.redactor.hides(word).then(|| self.value(value))
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

    /// The value that begins there, without its quotes; one that is never closed goes on to the end.
    fn value(&self, begin: usize) -> Range<usize> {
        let value = &self.text[begin..];
        if value.starts_with(REDACTED) {
            return begin..begin + REDACTED.len();
        }
        let escaped = value.starts_with("\\\"");
        if escaped || value.starts_with(['"', '\'', '`']) {
            let quote = if escaped { 2 } else { 1 };
            let close = &value[..quote];
            let mut after_backslash = false;
            for (at, c) in value.char_indices().skip(quote) {
                if value[at..].starts_with(close) && (escaped || !after_backslash) {
                    return begin + quote..begin + at;
                }
                after_backslash = c == '\\' && !after_backslash;
            }
            return begin + quote..self.text.len();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn redact(text: &str) -> String {
        Redactor::default().redact_text(text).into_owned()
    }

    #[test]
    fn secrets_in_text_are_hidden_whatever_they_are_written_as() {
        for (text, expected) in [
            ("password=hunter2", "password=[redacted]"),
            ("PASSWORD: hunter2, user: ann", "PASSWORD: [redacted], user: ann"),
            (r#"{"api_key":"k3y","to":"ann"}"#, r#"{"api_key":"[redacted]","to":"ann"}"#),
            (r#"{\"token\": \"t0k\", \"n\": 1}"#, r#"{\"token\": \"[redacted]\", \"n\": 1}"#),
            (r#"secret = "a \" b" next"#, "secret = \"[redacted]\" next"),
            ("secret='never closed and on", "secret='[redacted]"),
            ("GET /?access_token=abc&page=2", "GET /?access_token=[redacted]&page=2"),
            ("Authorization: Bearer abc.def", "Authorization: [redacted]"),
            ("authorization: Basic dTpw, x", "authorization: [redacted], x"),
            ("Cookie: sid=1; theme=dark", "Cookie: [redacted]"),
            ("sent Bearer abcdef123 twice", "sent Bearer [redacted] twice"),
            ("Basic dXNlcjpwYXNz0= refused", "Basic [redacted] refused"),
            ("run with --password hunter2 -v", "run with --password [redacted] -v"),
            ("redis://:pw@h:6379/0 gone", "redis://[redacted]@h:6379/0 gone"),
            ("nats://u:p@ss@h, tls://t@i", "nats://[redacted]@h, tls://[redacted]@i"),
            ("pg://u:p/w@h/db", "pg://[redacted]@h/db"),
            ("clientSecret: x", "clientSecret: [redacted]"),
            ("X-API-Key: x", "X-API-Key: [redacted]"),
            ("card_number=4111 1111", "card_number=[redacted] 1111"),
            ("got eyJhbGciOi.eyJzdWIiOiI.c2ln ok", "got [redacted] ok"),
            ("пароль: да, пасс token=тайна!", "пароль: да, пасс token=[redacted]"),
        ] {
            assert_eq!(redact(text), expected);
        }
    }

    #[test]
    fn what_is_no_secret_stays_and_costs_no_copy() {
        for text in [
            "",
            "connection refused (os error 111)",
            "no route to 10.0.0.1:4222",
            "expected `:` at line 3",
            "https://example.com:8080/a@b?x=1",
            "discard: 4, max_tokens=100, postcard: yes",
            "the bearer of bad news",
            "basic authentication failed",
            "token expired at 12:30:00",
            "std::fs::token::read",
            "password=[redacted]",
        ] {
            assert!(matches!(Redactor::default().redact_text(text), Cow::Borrowed(_)), "{text}");
        }
        assert_eq!(Redactor::none().redact_text("password=x"), "password=x");
    }

    #[test]
    fn hostile_text_is_redacted_in_no_time_and_never_breaks_a_character() {
        let long = 200_000;
        for piece in
            ["://", "a:", "token", "token=", "token=\"", "Bearer ", "://u:p/", "é=", "\\\"", "--"]
        {
            let text = piece.repeat(long / piece.len());
            let once = redact(&text);
            assert!(once.len() <= text.len() + REDACTED.len() * text.len() / piece.len());
        }
        for text in ["token=é", "token=\"é", "é://é:é@é", "token\u{202e}=x", "token=\u{0}x y"]
        {
            let once = redact(text);
            assert_eq!(redact(&once), once, "once is enough");
        }
    }

    #[test]
    fn json_is_redacted_at_every_depth_by_key_and_by_text() {
        let mut value = serde_json::json!({
            "ok": [1, null, true, "plain"],
            "deep": [{"Session-Token": {"a": 1}}, {"note": "password=hunter2"}],
            "secret": null,
            "pwd": 7,
            "tokens_used": 12,
        });
        Redactor::default().redact_json(&mut value);
        let expected = serde_json::json!({
            "ok": [1, null, true, "plain"],
            "deep": [{"Session-Token": "[redacted]"}, {"note": "password=[redacted]"}],
            "secret": null,
            "pwd": "[redacted]",
            "tokens_used": 12,
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn a_key_of_ones_own_is_hidden_too() {
        let redactor = Redactor::default().key("Tax-ID");
        assert!(redactor.hides("tax_id") && redactor.hides("customerTaxId"));
        assert!(redactor.hides("password") && !redactor.hides("taxi"));
    }

    #[test]
    #[should_panic(expected = "at least one letter")]
    fn a_key_without_a_letter_is_refused() {
        let _ = Redactor::default().key("--");
    }
}
