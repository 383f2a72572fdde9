//! [`Request`]: one attempt, as a handler reads it.

use std::time::Duration;

use naq_core::redact::without_values;
use naq_core::{Codec, ErrorKind, Failure, JobId, Payload, QueueName, TaskName, Timestamp};
use naq_worker::Context;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// The version of the protocol that this worker speaks.
const VERSION: u32 = 1;

/// One attempt of a job. `docs/handler-protocol.md` describes each field.
#[derive(Debug, Serialize)]
pub(crate) struct Request<'a> {
    v: u32,
    /// Which run this is. An answer that names another run is not taken.
    pub(crate) run: String,
    pub(crate) id: &'a JobId,
    pub(crate) queue: &'a QueueName,
    pub(crate) task: &'a TaskName,
    args: Box<RawValue>,
    pub(crate) attempt: u32,
    pub(crate) max_attempts: u32,
    crashes: u32,
    snoozes: u32,
    last_error: Option<LastError<'a>>,
    timeout_ms: Option<u64>,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) idempotency_key: &'a str,
    pub(crate) traceparent: Option<&'a str>,
    tags: &'a [String],
    worker: &'a str,
    checkpoint: Option<Value>,
}

#[derive(Debug, Serialize)]
struct LastError<'a> {
    kind: &'a ErrorKind,
    message: &'a str,
}

impl<'a> Request<'a> {
    /// `timeout` is the shorter one of the job's and the handler's.
    ///
    /// # Errors
    /// The arguments have no form in JSON.
    pub(crate) fn new<S>(
        cx: &'a Context<S>,
        args: &Payload,
        timeout: Option<Duration>,
        checkpoint: Option<Value>,
    ) -> Result<Self, Failure> {
        let last_error = cx.last_error().map(|it| LastError { kind: it.kind, message: it.message });
        let millis = |timeout: Duration| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        Ok(Self {
            v: VERSION,
            run: format!("{}/{}/{}/{}", cx.job_id(), cx.attempt(), cx.snoozes(), cx.crashes()),
            id: cx.job_id(),
            queue: cx.queue(),
            task: cx.task(),
            args: raw_json(args)?,
            attempt: cx.attempt(),
            max_attempts: cx.max_attempts(),
            crashes: cx.crashes(),
            snoozes: cx.snoozes(),
            last_error,
            timeout_ms: timeout.map(millis),
            deadline: cx.deadline(),
            idempotency_key: cx.dedup_key(),
            traceparent: cx.traceparent(),
            tags: cx.tags(),
            worker: cx.worker_id().as_str(),
            checkpoint,
        })
    }

    /// The request as one line of JSON, with its line end.
    pub(crate) fn to_line(&self) -> Result<Vec<u8>, Failure> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }
}

/// The arguments as JSON on one line. JSON stays as it was written, so that no number changes.
fn raw_json(args: &Payload) -> Result<Box<RawValue>, Failure> {
    let is_one_line = |bytes: &[u8]| !bytes.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
    if args.codec() == Codec::Json && is_one_line(args.bytes()) {
        return args.decode::<Box<RawValue>>().map_err(no_json);
    }
    let value: Value = args.decode().map_err(no_json)?;
    Ok(serde_json::value::to_raw_value(&value)?)
}

/// Another attempt would find the same arguments.
fn no_json(err: impl std::fmt::Display) -> Failure {
    let text = without_values(&err.to_string());
    Failure::new(ErrorKind::DECODE, format!("the arguments: {text}")).fatal()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn json(text: &'static str) -> Payload {
        Payload::from_raw(Codec::Json, Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn arguments_reach_the_handler_as_they_were_written() {
        let exact = r#"{"n": 9007199254740993, "x": 1.10, "u": "\u00e4"}"#;
        assert_eq!(raw_json(&json(exact)).expect("json").get(), exact);
    }

    #[test]
    fn arguments_on_many_lines_become_one_line() {
        let line = raw_json(&json("{\n  \"n\": 9007199254740993\n}")).expect("json");
        assert_eq!(line.get(), r#"{"n":9007199254740993}"#);
    }

    #[test]
    fn messagepack_arguments_become_json() {
        let args = Payload::encode(Codec::MsgPack, &serde_json::json!({"n": 7})).expect("encode");
        assert_eq!(raw_json(&args).expect("json").get(), r#"{"n":7}"#);
    }

    #[test]
    fn arguments_that_are_no_json_are_never_tried_again() {
        let failure = raw_json(&json("{")).expect_err("no json");
        assert_eq!(failure.kind(), &ErrorKind::DECODE);
        assert_eq!(failure.advice(), naq_core::Advice::Fatal);
    }
}
