//! [`Answer`]: one line of what a handler says.

use std::time::Duration;

use naq_core::{ErrorKind, Failure};
use serde::{Deserialize, Deserializer};
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
    #[serde(default, deserialize_with = "steps")]
    pub(crate) done: u64,
    #[serde(default, deserialize_with = "steps")]
    pub(crate) total: u64,
    #[serde(default)]
    pub(crate) message: String,
}

/// Whole steps. A fraction or a negative number of another language is no reason to fail.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn steps<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    Ok(f64::deserialize(d)?.round() as u64)
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
    /// An answer to another run: this process was given a run before, and answers late.
    OtherRun,
    /// An answer that a newer version of the protocol may know.
    Unknown,
    /// An object with the name of an answer and more fields: a text of a command, or a mistake.
    Mixed,
    /// Anything else.
    Text,
}

/// The names of answers.
const NAMES: [&str; 4] = ["progress", "checkpoint", "result", "error"];

/// Reads one line. An object with one field is an answer; its name says which. Beside it may stand
/// `run`: the run that the answer belongs to.
///
/// # Errors
/// The line names an answer, and what follows has another form.
pub(crate) fn read_line(line: &[u8], run: &str) -> Result<Line, Failure> {
    let line = line.trim_ascii();
    // Without this look each line of plain text would be parsed.
    if !line.starts_with(b"{") {
        return Ok(Line::Text);
    }
    let mut fields = match serde_json::from_slice(line) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return Ok(Line::Text),
        Err(err) => {
            return match named_answer(line) {
                Some(name) => Err(broken(name, &err)),
                None => Ok(Line::Text),
            };
        }
    };
    let is_other = match fields.get("run") {
        Some(Value::String(other)) if fields.len() == 2 => {
            let is_other = other != run;
            fields.remove("run");
            is_other
        }
        _ => false,
    };
    let Some(name) = NAMES.into_iter().find(|name| fields.contains_key(*name)) else {
        return Ok(if fields.len() == 1 { Line::Unknown } else { Line::Text });
    };
    if fields.len() > 1 {
        return Ok(Line::Mixed);
    }
    if is_other {
        return Ok(Line::OtherRun);
    }
    let answer = serde_json::from_value(Value::Object(fields));
    answer.map(Line::Answer).map_err(|err| broken(name, &err))
}

/// The name of the answer that a line begins with which is no JSON.
fn named_answer(line: &[u8]) -> Option<&'static str> {
    let rest = line.strip_prefix(b"{")?.trim_ascii_start().strip_prefix(b"\"")?;
    NAMES
        .into_iter()
        .find(|name| rest.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"\"")))
}

/// The failure of a line that breaks the protocol.
fn broken(name: &str, err: &serde_json::Error) -> Failure {
    Failure::new(PROTOCOL, format!("the handler's {name}: {err}"))
}

/// The failure of [`Line::Mixed`] where only answers are expected.
pub(crate) fn mixed() -> Failure {
    Failure::new(PROTOCOL, "the handler's answer has more than one field")
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
        match read_line(line.as_bytes(), "j/1") {
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
        for line in [
            &br#"{"error":"no object"}"#[..],
            br#"{"progress":{"done":"half"}}"#,
            br#"{"result":"\ud83d"}"#,
            b"{\"result\":\"\xff\"}",
            br#"{"result":NaN}"#,
            br#" { "error": {"kind""#,
        ] {
            let err = read_line(line, "j/1").expect_err("broken");
            assert_eq!(err.kind().as_str(), PROTOCOL, "{err}");
        }
    }

    #[test]
    fn a_kind_with_spaces_becomes_error_and_stays_in_the_message() {
        let failure = failure(r#"{"error":{"kind":"no kind","message":"m"}}"#);
        assert_eq!(failure.kind(), &ErrorKind::ERROR);
        assert!(failure.message().contains("no kind"), "{failure}");
    }

    #[test]
    fn what_is_no_answer_is_text_or_of_a_newer_version() {
        for text in ["hello", "", "{", "[1]", r#"{"a":1,"b":2}"#, "{}", "7", r#"{"results":"#] {
            assert!(matches!(read_line(text.as_bytes(), "j/1"), Ok(Line::Text)), "{text}");
        }
        assert!(matches!(read_line(br#"{"log":"x"}"#, "j/1"), Ok(Line::Unknown)));
        assert!(matches!(read_line(br#"{"result":1,"more":2}"#, "j/1"), Ok(Line::Mixed)));
    }

    #[test]
    fn a_result_keeps_its_numbers() {
        let Answer::Result(value) = answer(" {\"result\":{\"n\":9007199254740993}}\r") else {
            panic!("no result")
        };
        assert_eq!(value.to_string(), r#"{"n":9007199254740993}"#);
    }

    #[test]
    fn an_answer_to_another_run_is_not_taken() {
        let late = br#"{"result":1,"run":"j/1"}"#;
        assert!(matches!(read_line(late, "k/1"), Ok(Line::OtherRun)));
        assert!(matches!(read_line(late, "j/1"), Ok(Line::Answer(Answer::Result(_)))));
    }

    #[test]
    fn progress_may_be_a_fraction_or_below_zero() {
        let Answer::Progress(it) = answer(r#"{"progress":{"done":0.6,"total":-1}}"#) else {
            panic!("no progress")
        };
        assert_eq!((it.done, it.total), (1, 0));
    }
}
