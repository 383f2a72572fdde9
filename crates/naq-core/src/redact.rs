//! [`Redactor`]: removes secrets from texts and JSON before they are stored or shown.

mod decode;
mod finder;
mod keys;
mod value;

use std::borrow::Cow;

use serde_json::Value;

pub use self::decode::without_values;
use self::finder::{SecretFinder, may_hold_secrets};
pub use self::keys::REDACTED;
use self::keys::{KeyMatch, SecretKeys, is_count, plain};

/// Replaces secrets in text and in JSON: the values of keys such as `password` or `api_key`, `Bearer`
/// and `Basic` credentials, JSON web tokens, and the user and password in a URL.
///
/// It finds secrets by the names of keys. A secret with an unknown key stays.
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
    keys: SecretKeys,
}

impl Default for Redactor {
    fn default() -> Self {
        Self { keys: SecretKeys::common() }
    }
}

impl Redactor {
    /// A redactor that replaces nothing.
    pub fn none() -> Self {
        Self { keys: SecretKeys::none() }
    }

    /// Also replaces the values of this key.
    ///
    /// # Panics
    /// If the key has no letter and no digit.
    #[must_use]
    pub fn key(self, key: impl AsRef<str>) -> Self {
        let key = plain(key.as_ref());
        assert!(!key.is_empty(), "a key to hide has at least one letter or digit");
        Self { keys: self.keys.and(key) }
    }

    /// Whether the value of this key or header is replaced. With a plural key such as `tokens` a number
    /// is a count and stays.
    pub fn hides(&self, key: &str) -> bool {
        self.keys.find(key) != KeyMatch::NotSecret
    }

    /// The text with its secrets replaced. It is borrowed if there are none.
    pub fn redact_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.keys.is_empty() || !may_hold_secrets(text) {
            return Cow::Borrowed(text);
        }
        let mut out = String::new();
        let mut kept = 0;
        for secret in (SecretFinder { keys: &self.keys, text, at: 0 }) {
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

    /// Replaces the secrets in a JSON value: the values of secret keys in every object, and the secrets
    /// in every string, as [`redact_text`](Self::redact_text) does.
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
                    match (self.keys.find(key), &*value) {
                        (_, Value::Null) | (KeyMatch::SecretsOrCount, Value::Number(_)) => {}
                        (KeyMatch::SecretsOrCount, Value::String(text)) if is_count(text) => {}
                        (KeyMatch::NotSecret, _) => self.redact_json(value),
                        _ => *value = REDACTED.into(),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redact(text: &str) -> String {
        Redactor::default().redact_text(text).into_owned()
    }

    #[test]
    fn secrets_in_text_are_replaced_in_every_notation() {
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
    fn a_text_without_secrets_is_not_copied() {
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
    fn hostile_text_is_redacted_fast_and_at_character_boundaries() {
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
    fn the_value_of_an_added_key_is_replaced_too() {
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
