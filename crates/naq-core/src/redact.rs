//! [`Redactor`]: takes secrets out of what is stored and shown.

mod finder;
mod value;

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use self::finder::{Finder, may_hold_secrets};

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
/// Beside these, many are a limit or a count: `max_tokens`.
const COUNTED: [&str; 7] = ["max", "min", "num", "count", "total", "limit", "used"];
/// A shorter word counts only as a whole one: `card_number`, and not `discard`.
const MIN_ENDING: usize = 5;

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

    /// Whether the value of this key, or header, is hidden. Under the name of many, as `tokens`, a
    /// number is a count, and stays.
    pub fn hides(&self, key: &str) -> bool {
        self.named(key) != Named::Nothing
    }

    fn named(&self, key: &str) -> Named {
        let words = words(key);
        if self.is_secret(&plain(key), &words) {
            return Named::One;
        }
        let Some((last, before)) = words.split_last() else { return Named::Nothing };
        let Some(last) = last.strip_suffix('s') else { return Named::Nothing };
        if before.iter().any(|word| COUNTED.contains(&word.as_str())) {
            return Named::Nothing;
        }
        let one: Vec<String> = before.iter().cloned().chain([last.to_owned()]).collect();
        if self.is_secret(&one.concat(), &one) { Named::Many } else { Named::Nothing }
    }

    fn is_secret(&self, whole: &str, words: &[String]) -> bool {
        self.keys.iter().any(|secret| {
            (secret.len() >= MIN_ENDING && whole.ends_with(secret.as_str()))
                || words.contains(secret)
                || words.windows(2).any(|pair| pair.concat() == *secret)
        })
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
                    match (self.named(key), &*value) {
                        (_, Value::Null) | (Named::Many, Value::Number(_)) => {}
                        (Named::Many, Value::String(text)) if is_count(text) => {}
                        (Named::Nothing, _) => self.redact_json(value),
                        _ => *value = REDACTED.into(),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// What a key is the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    /// No secret.
    Nothing,
    /// A secret.
    One,
    /// Secrets, or how many.
    Many,
}

fn is_count(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '_'))
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
            (r#"C { password: Some("hunter2") }"#, "C { password: [redacted] }"),
            (r#"{"password": String("hunter2")}"#, r#"{"password": [redacted]}"#),
            (r#"token: Token("a)b"), n: 1"#, "token: [redacted], n: 1"),
            (r#"token: Some(Token("a")), n: 1"#, "token: [redacted], n: 1"),
            (r#"password: &Secret { db: "x" } x"#, "password: [redacted] x"),
            (r#"{"token":["hunter2"],"n":1}"#, r#"{"token":[redacted],"n":1}"#),
            (r#"{"secret":{"db":"hun}ter2"}} x"#, r#"{"secret":[redacted]} x"#),
            (r#"{\"secret\":{\"db\":\"a}b\"}} x"#, r#"{\"secret\":[redacted]} x"#),
            ("secret: {'it': 'hun}ter2'} x", "secret: [redacted] x"),
            ("secret: Some(\"never closed and on", "secret: [redacted]"),
            ("secret: [a, (b], never closed", "secret: [redacted]"),
            (r##"password: r#"hun"ter2"# x"##, r##"password: r#"[redacted]"# x"##),
            (r#"password: b"hunter2" x"#, r#"password: b"[redacted]" x"#),
            ("tokens=abc123 passwords: a", "tokens=[redacted] passwords: [redacted]"),
            ("refreshTokens: [\"a\"] api_keys=b", "refreshTokens: [redacted] api_keys=[redacted]"),
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
            "tokens: 1200, tokens_used=many, maxTokens: none, class=x, discards: a",
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
        for piece in [
            "://",
            "a:",
            "token",
            "token=",
            "token=\"",
            "Bearer ",
            "://u:p/",
            "é=",
            "\\\"",
            "--",
            "token=(",
            "tokens=(\"",
            "token=r#",
            "tokens=1,",
            "token=A {",
        ] {
            let text = piece.repeat(long / piece.len());
            let once = redact(&text);
            assert!(once.len() <= text.len() + REDACTED.len() * text.len() / piece.len());
        }
        for text in [
            "token=é",
            "token=\"é",
            "é://é:é@é",
            "token\u{202e}=x",
            "token=\u{0}x y",
            "token=É(é",
            "token=[[\"é\"]",
            "tokens: É { é: 'é' } é",
            "token=r##\"é\"#",
            "token=b\"é\"é",
        ] {
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
            "tokens": 12,
            "apiTokens": ["a"],
            "passwords": "a",
        });
        Redactor::default().redact_json(&mut value);
        let expected = serde_json::json!({
            "ok": [1, null, true, "plain"],
            "deep": [{"Session-Token": "[redacted]"}, {"note": "password=[redacted]"}],
            "secret": null,
            "pwd": "[redacted]",
            "tokens_used": 12,
            "tokens": 12,
            "apiTokens": "[redacted]",
            "passwords": "[redacted]",
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
