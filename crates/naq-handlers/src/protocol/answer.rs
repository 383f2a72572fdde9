//! [`Answer`]: one line of what a handler says.

use std::time::Duration;

use naq_core::{ErrorKind, Failure};
use serde::Deserialize;
use serde_json::Value;

use super::Then;

/// The error kind of an answer that breaks the protocol.
const PROTOCOL: &str = "ProtocolError";

/// One answer of a handler.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// How far the attempt is.
    Progress(Progress),
    /// What the next attempt finds in its request.
    Checkpoint(Value),
    /// The attempt succeeded.
    Result(Value),
    /// The attempt failed.
    Error(AnsweredError),
}

#[derive(Debug, Deserialize)]
pub(crate) struct Progress {
    #[serde(default)]
    pub(crate) done: u64,
    #[serde(default)]
    pub(crate) total: u64,
    #[serde(default)]
    pub(crate) message: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AnsweredError {
    kind: Option<String>,
    #[serde(default)]
    message: String,
    #[serde(default)]
    then: Option<String>,
    after_ms: Option<u64>,
}

/// One line.
#[derive(Debug)]
pub(crate) enum Line {
    /// An answer.
    Answer(Answer),
    /// An answer that a newer version of the protocol may know.
    Unknown,
    /// Anything else.
    Text,
}

/// Reads one line. An object with one field is an answer; its name says which.
///
/// # Errors
/// The line names an answer, and what follows has another form.
pub(crate) fn read_line(line: &[u8]) -> Result<Line, Failure> {
    let line = line.trim_ascii();
    // Without this look each line of plain text would be parsed.
    if !line.starts_with(b"{") {
        return Ok(Line::Text);
    }
    let Ok(Value::Object(fields)) = serde_json::from_slice(line) else { return Ok(Line::Text) };
    let mut names = fields.keys();
    let (Some(name), None) = (names.next().cloned(), names.next()) else { return Ok(Line::Text) };
    match name.as_str() {
        "progress" | "checkpoint" | "result" | "error" => {
            let answer = serde_json::from_value(Value::Object(fields));
            let broken = |err| Failure::new(PROTOCOL, format!("the handler's {name}: {err}"));
            answer.map(Line::Answer).map_err(broken)
        }
        _ => Ok(Line::Unknown),
    }
}

impl AnsweredError {
    /// The failure of the attempt.
    pub(crate) fn into_failure(self) -> Failure {
        let Self { kind, message, then, after_ms } = self;
        let (kind, message) = match kind.map(ErrorKind::new) {
            None => (ErrorKind::ERROR, message),
            Some(Ok(kind)) => (kind, message),
            Some(Err(err)) => (ErrorKind::ERROR, format!("{message} ({err})")),
        };
        let after = after_ms.map(Duration::from_millis);
        match Then::new(then.as_deref().unwrap_or("policy"), after) {
            Ok(then) => then.apply(Failure::new(kind, message)),
            Err(err) => Failure::new(PROTOCOL, format!("the handler's error {kind}: {err}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use naq_core::Advice;

    use super::*;

    fn answer(line: &str) -> Answer {
        match read_line(line.as_bytes()) {
            Ok(Line::Answer(answer)) => answer,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn failure(line: &str) -> Failure {
        let Answer::Error(error) = answer(line) else { panic!("{line} is no error") };
        error.into_failure()
    }

    #[test]
    fn each_advice_of_an_error_is_the_one_of_a_rust_handler() {
        let ms = Duration::from_millis;
        for (then, advice) in [
            (r#""then":"policy""#, Advice::Policy),
            (r#""tags":[]"#, Advice::Policy),
            (r#""then":"retry_after","after_ms":700"#, Advice::RetryAfter(ms(700))),
            (r#""then":"never""#, Advice::Fatal),
            (r#""then":"snooze","after_ms":5"#, Advice::Snooze(ms(5))),
            (r#""then":"cancel""#, Advice::Cancel),
        ] {
            let line = format!(r#"{{"error":{{"kind":"HTTPError.429","message":"slow",{then}}}}}"#);
            let failure = failure(&line);
            assert_eq!(failure.advice(), advice, "{line}");
            assert_eq!(failure.to_string(), "HTTPError.429: slow");
        }
    }

    #[test]
    fn an_error_that_breaks_the_protocol_says_so_and_is_retried_by_the_policy() {
        for line in [
            r#"{"error":{"kind":"X","then":"later"}}"#,
            r#"{"error":{"kind":"X","then":"snooze"}}"#,
        ] {
            let failure = failure(line);
            assert_eq!(failure.kind().as_str(), PROTOCOL, "{failure}");
            assert_eq!(failure.advice(), Advice::Policy);
        }
        assert!(read_line(br#"{"error":"no object"}"#).is_err());
        assert!(read_line(br#"{"progress":{"done":"half"}}"#).is_err());
    }

    #[test]
    fn a_kind_with_spaces_becomes_error_and_stays_in_the_message() {
        let failure = failure(r#"{"error":{"kind":"no kind","message":"m"}}"#);
        assert_eq!(failure.kind(), &ErrorKind::ERROR);
        assert!(failure.message().contains("no kind"), "{failure}");
    }

    #[test]
    fn what_is_no_answer_is_text_or_of_a_newer_version() {
        for text in ["hello", "", "{", "[1]", r#"{"result":1,"more":2}"#, "{}", "7"] {
            assert!(matches!(read_line(text.as_bytes()), Ok(Line::Text)), "{text}");
        }
        assert!(matches!(read_line(br#"{"log":"x"}"#), Ok(Line::Unknown)));
    }

    #[test]
    fn a_result_keeps_its_numbers() {
        let Answer::Result(value) = answer(" {\"result\":{\"n\":9007199254740993}}\r") else {
            panic!("no result")
        };
        assert_eq!(value.to_string(), r#"{"n":9007199254740993}"#);
    }
}
