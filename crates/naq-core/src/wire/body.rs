//! The body of a job: how an [`Envelope`] is read and written.

use std::time::Duration;

use bytes::Bytes;

use super::codec::{DecodeError, EncodeError};
use super::envelope::{
    COMPRESSED_VERSION, DEFAULT_RECORD_TTL, Envelope, MAX_ENVELOPE_BYTES, READ_VERSION,
    WIRE_VERSION,
};
use super::fields::{Fields, Payload};
use super::history;
use super::message::{WireMessage, headers};
use super::step::Nonce;
use super::writer::Writer;
use crate::clock::{Timestamp, millis_up};
use crate::flow::Limit;
use crate::names::{JobId, JobKey, QueueName};
use crate::retry::RetryPolicy;
use crate::state::JobState;

/// The usual size of a body without its arguments, in bytes.
const OTHER_FIELDS_BYTES: usize = 640;

/// What the transport knows about a message, so that the body need not repeat it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MessageMeta {
    pub(crate) queue: QueueName,
    pub(crate) id: JobId,
    pub(crate) seq: u64,
    pub(crate) stored_at: Timestamp,
}

/// The fields that only a final record has.
pub(super) struct FinalFields<'a> {
    pub(super) state: JobState,
    pub(super) finished_at: Timestamp,
    pub(super) result: Option<&'a Payload>,
}

impl Envelope {
    /// Reads a message from a queue or a schedule. Queue and id are those of its subject, because the
    /// broker knows the job by its subject.
    pub(crate) fn decode(message: &WireMessage, meta: &MessageMeta) -> Result<Self, DecodeError> {
        let codec = message.codec()?;
        if message.body.len() > MAX_ENVELOPE_BYTES + history::MAX_HISTORY_BYTES {
            return Err(DecodeError::TooLarge {
                size: message.body.len(),
                max: MAX_ENVELOPE_BYTES,
            });
        }
        Self::from_fields(Fields::split(codec, &message.body)?, message, meta)
    }

    /// Reads the fields of a job, or the fields of a record that a job has too.
    pub(crate) fn from_fields(
        mut f: Fields,
        message: &WireMessage,
        meta: &MessageMeta,
    ) -> Result<Self, DecodeError> {
        let codec = f.codec();
        let found = f.take::<u64>("v")?.unwrap_or(WIRE_VERSION);
        if !(WIRE_VERSION..=READ_VERSION).contains(&found) {
            return Err(DecodeError::Version { found, known: READ_VERSION });
        }
        // The subject counts. An id or queue in the body must be a valid name, but may be another one.
        if !f.take_if("id", meta.id.as_str()) {
            f.take::<JobId>("id")?;
        }
        if !f.take_if("queue", meta.queue.as_str()) {
            f.take::<QueueName>("queue")?;
        }
        let written_policy = f.take_raw("policy");
        let policy = written_policy.as_ref().map(Payload::decode::<Option<RetryPolicy>>);
        let policy = policy.transpose().map_err(|err| in_field("policy", err))?.flatten();
        let millis = |ms: Option<u64>| ms.map(Duration::from_millis);
        let args_blob = f.take("args_blob")?;
        let envelope = Self {
            id: meta.id.clone(),
            queue: meta.queue.clone(),
            task: f.take("task")?.ok_or(DecodeError::Missing("task"))?,
            args: f.take_raw("args").unwrap_or_else(|| Payload::null(codec)),
            is_blob_compressed: args_blob.is_some() && found >= COMPRESSED_VERSION,
            args_blob,
            args_left_out: f.take("args_left_out")?.unwrap_or(false),
            policy: policy.unwrap_or_default(),
            timeout: millis(f.take("timeout_ms")?),
            enqueued_at: f.take("enqueued_at")?.unwrap_or(meta.stored_at),
            deadline: f.take("deadline")?,
            record_ttl: millis(f.take("record_ttl_ms")?).unwrap_or(DEFAULT_RECORD_TTL),
            tags: f.take("tags")?.unwrap_or_default(),
            depends_on: f.take("depends_on")?,
            workflow: f.take("workflow")?,
            unique: f.take("unique")?,
            limits: f.take("limits")?.unwrap_or_default(),
            on_exhausted: f.take("on_exhausted")?,
            traceparent: f.take("traceparent")?,
            nonce: nonce(f.take("nonce")?, message, meta)?,
            origin: f.take("origin")?.map(|text| parse_nonce("origin", text)).transpose()?,
            attempt: f.take("attempt")?.unwrap_or(1).max(1),
            crashes: f.take("crashes")?.unwrap_or(0),
            snoozes: f.take("snoozes")?.unwrap_or(0),
            first_started_at: f.take("first_started_at")?,
            due_at: f.take("due_at")?,
            history: f.take("history")?.unwrap_or_default(),
            signature: f.take("signature")?,
            codec,
            written_policy,
            unknown: f,
        };
        envelope
            .check_tags()
            .map_err(|reason| DecodeError::Field { field: "tags".into(), reason })?;
        Limit::check_all(&envelope.limits)
            .map_err(|reason| DecodeError::Field { field: "limits".into(), reason })?;
        if let Some(depends) = &envelope.depends_on {
            let own = JobKey::new(envelope.queue.clone(), envelope.id.clone());
            depends
                .check(&own)
                .map_err(|reason| DecodeError::Field { field: "depends_on".into(), reason })?;
        }
        Ok(envelope)
    }

    /// Writes the body.
    ///
    /// # Errors
    /// [`EncodeError::Value`] if the codec cannot write a value. [`EncodeError::TooLarge`] if the body
    /// without its history is longer than [`MAX_ENVELOPE_BYTES`].
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        let (body, history) = self.write(None)?;
        let size = body.len() - history;
        if size > MAX_ENVELOPE_BYTES {
            return Err(EncodeError::TooLarge { size, max: MAX_ENVELOPE_BYTES });
        }
        Ok(body)
    }

    /// The body, with the fields of a final record if they are given, and the number of bytes of its
    /// history. Fields are in the order of their names, then the fields that this version does not know.
    pub(super) fn write(
        &self,
        final_fields: Option<FinalFields<'_>>,
    ) -> Result<(Bytes, usize), EncodeError> {
        let args = self.args_blob.is_none().then_some(&self.args);
        let args_bytes = args.map_or(0, |args| args.bytes().len());
        let mut w = Writer::new(self.codec, args_bytes + OTHER_FIELDS_BYTES);
        if let Some(args) = args {
            w.put_raw("args", args)?;
        }
        w.put_some("args_blob", self.args_blob.as_ref())?;
        w.put_some("args_left_out", Some(self.args_left_out).filter(|left_out| *left_out))?;
        w.put("attempt", &self.attempt)?;
        w.put_some("crashes", Some(self.crashes).filter(|n| *n > 0))?;
        w.put_some("deadline", self.deadline)?;
        w.put_some("depends_on", self.depends_on.as_ref())?;
        w.put_some("due_at", self.due_at)?;
        w.put("enqueued_at", &self.enqueued_at)?;
        w.put_some("finished_at", final_fields.as_ref().map(|e| e.finished_at))?;
        w.put_some("first_started_at", self.first_started_at)?;
        let before = w.len();
        w.put_some("history", Some(&self.history).filter(|h| !h.is_empty()))?;
        let history = w.len() - before;
        w.put("id", &self.id)?;
        w.put_some("limits", Some(&self.limits).filter(|limits| !limits.is_empty()))?;
        w.put("nonce", self.nonce.as_str())?;
        w.put_some("on_exhausted", self.on_exhausted.as_ref())?;
        w.put_some("origin", self.origin.as_ref().map(Nonce::as_str))?;
        match &self.written_policy {
            Some(written) => w.put_raw("policy", written)?,
            None if self.policy == RetryPolicy::default() => {}
            None => w.put("policy", &self.policy)?,
        }
        w.put("queue", &self.queue)?;
        let ttl = Some(self.record_ttl).filter(|ttl| *ttl != DEFAULT_RECORD_TTL);
        w.put_some("record_ttl_ms", ttl.map(millis_up))?;
        if let Some(result) = final_fields.as_ref().and_then(|e| e.result) {
            w.put_raw("result", result)?;
        }
        w.put_some("signature", self.signature.as_ref())?;
        w.put_some("snoozes", Some(self.snoozes).filter(|n| *n > 0))?;
        w.put_some("state", final_fields.as_ref().map(|e| e.state))?;
        w.put_some("tags", Some(&self.tags).filter(|tags| !tags.is_empty()))?;
        w.put("task", &self.task)?;
        w.put_some("timeout_ms", self.timeout.map(millis_up))?;
        w.put_some("traceparent", self.traceparent.as_ref())?;
        w.put_some("unique", self.unique.as_ref())?;
        w.put("v", &self.version())?;
        w.put_some("workflow", self.workflow.as_ref())?;
        for (field, value) in self.unknown.iter() {
            w.put_raw(field, &value)?;
        }
        Ok((w.finish(), history))
    }

    /// The whole message: body, `Content-Type` and `Naq-Step`.
    ///
    /// # Errors
    /// Those of [`encode`](Self::encode).
    pub fn to_message(&self) -> Result<WireMessage, EncodeError> {
        Ok(WireMessage::new(self.encode()?)
            .with(headers::CONTENT_TYPE, self.codec.content_type())
            .with_step(&self.step()))
    }
}

/// The nonce in the body. Otherwise the one in the header, which a message that was written by hand has
/// after it was given back or requeued. Otherwise a nonce made from its sequence and time.
fn nonce(
    given: Option<String>,
    message: &WireMessage,
    meta: &MessageMeta,
) -> Result<Nonce, DecodeError> {
    let made = || Nonce::of_message(meta.seq, meta.stored_at);
    match given {
        None => Ok(message.step().map_or_else(made, |step| step.nonce)),
        Some(text) => parse_nonce("nonce", text),
    }
}

fn parse_nonce(field: &str, text: String) -> Result<Nonce, DecodeError> {
    Nonce::parse(&text)
        .map_err(|e| DecodeError::Field { field: field.into(), reason: e.to_string() })
}

fn in_field(field: &str, err: DecodeError) -> DecodeError {
    match err {
        DecodeError::Syntax { reason, .. } => {
            DecodeError::Field { field: field.to_owned(), reason }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::Compression;
    use crate::names::TaskName;
    use crate::transport::MAX_BLOB_BYTES;
    use crate::wire::{AttemptOutcome, AttemptRecord, BlobRef, Codec};

    fn meta() -> MessageMeta {
        MessageMeta {
            queue: QueueName::default(),
            id: JobId::new("job-1").expect("an id"),
            seq: 7,
            stored_at: Timestamp::from_millis(1000),
        }
    }

    fn by_hand(body: &str) -> Result<Envelope, DecodeError> {
        Envelope::decode(&WireMessage::new(Bytes::from(body.to_owned())), &meta())
    }

    #[test]
    fn a_job_written_by_hand_needs_only_a_task() {
        let job = by_hand(r#"{"task":"email.send","args":{"to":"a@example.com"}}"#).expect("a job");
        assert_eq!((job.id.as_str(), job.queue.as_str()), ("job-1", "default"));
        assert_eq!(job.nonce, Nonce::of_message(7, Timestamp::from_millis(1000)));
        assert_eq!((job.attempt, job.policy), (1, RetryPolicy::default()));
        assert_eq!(job.enqueued_at, Timestamp::from_millis(1000));
    }

    #[test]
    fn a_field_of_null_counts_as_absent() {
        let nulls = r#"{"task":"t","args":null,"policy":null,"timeout_ms":null,"deadline":null,
            "tags":null,"nonce":null,"attempt":null,"history":null,"v":null,"id":null}"#;
        let with = by_hand(nulls).expect("a job");
        let without = by_hand(r#"{"task":"t"}"#).expect("a job");
        assert_eq!((with.policy, with.args), (without.policy, without.args));
        assert_eq!((with.nonce, with.history), (without.nonce, without.history));
    }

    #[test]
    fn a_rewrite_keeps_fields_that_this_version_does_not_know() {
        let body =
            r#"{"task":"t","args":[1.50],"policy":{"max_retries":9,"new":{"a":1}},"later":[ 1 ]}"#;
        let mut job = by_hand(body).expect("a job");
        job.attempt = 2;
        job.record(AttemptRecord::new(1, AttemptOutcome::Failed));
        let text = String::from_utf8(job.encode().expect("writes").to_vec()).expect("text");
        for part in
            [r#""args":[1.50]"#, r#""policy":{"max_retries":9,"new":{"a":1}}"#, r#""later":[ 1 ]"#]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(by_hand(&text).expect("reads again"), job);
    }

    #[test]
    fn an_envelope_round_trips_in_both_codecs() {
        for codec in [Codec::Json, Codec::MsgPack] {
            let args = Payload::encode(codec, &("x", 1u8, [1.5f32])).expect("writes");
            let meta = meta();
            let task = TaskName::new("t").expect("a name");
            let mut job =
                Envelope::new(meta.queue.clone(), meta.id.clone(), task, args, meta.stored_at);
            job.timeout = Some(Duration::from_millis(1500));
            job.deadline = Some(Timestamp::from_millis(99_000));
            job.record_ttl = Duration::ZERO;
            job.tags = vec!["a".into()];
            job.crashes = 1;
            job.origin = Some(Nonce::from_sequence(3));
            job.record(AttemptRecord::new(1, AttemptOutcome::Crashed));
            let message = job.to_message().expect("writes");
            assert_eq!(message.step(), Some(job.step()));
            assert_eq!(Envelope::decode(&message, &meta).expect("reads"), job);
        }
    }

    #[test]
    fn arguments_in_a_blob_are_not_in_the_body_and_the_version_says_so() {
        let mut job = by_hand(r#"{"task":"t","args":"much"}"#).expect("a job");
        job.args_blob = Some(BlobRef::new(6));
        let text = String::from_utf8(job.encode().expect("writes").to_vec()).expect("text");
        assert!(!text.contains("much") && text.contains(r#""v":2"#), "{text}");
        let read = by_hand(&text).expect("a job");
        assert_eq!((&read.args, &read.args_blob), (&Payload::null(Codec::Json), &job.args_blob));
        assert_eq!(read.encode().expect("writes again"), text);
    }

    #[test]
    fn compressed_arguments_raise_the_version_of_the_job_also_in_a_blob_that_is_not_read() {
        let much = Payload::encode(Codec::Json, &"much ".repeat(2_000)).expect("writes");
        let mut job = by_hand(r#"{"task":"t"}"#).expect("a job");
        job.args = Compression::Lz4.apply(&much).expect("writes");
        let text = |job: &Envelope| {
            String::from_utf8(job.encode().expect("writes").to_vec()).expect("text")
        };
        assert!(text(&job).contains(r#""v":3"#), "{}", text(&job));
        job.args_blob = Some(BlobRef::new(100));
        let in_blob = text(&job);
        assert!(!in_blob.contains("naq:lz4") && in_blob.contains(r#""v":3"#), "{in_blob}");
        let mut read = by_hand(&in_blob).expect("a job");
        assert_eq!(text(&read), in_blob);
        assert_eq!(read.max_plain_args(), MAX_BLOB_BYTES);
        // Plain arguments in their place: any worker may run it.
        read.args_blob = None;
        assert!(text(&read).contains(r#""v":1"#));
        assert_eq!(read.max_plain_args(), MAX_ENVELOPE_BYTES);
    }

    #[test]
    fn a_record_says_that_its_arguments_were_left_out_and_a_job_without_any_does_not() {
        for (body, left_out) in
            [(r#"{"task":"t","args":"much"}"#, true), (r#"{"task":"t"}"#, false)]
        {
            let mut job = by_hand(body).expect("a job");
            job.leave_out_args();
            job.leave_out_args();
            let text = String::from_utf8(job.encode().expect("writes").to_vec()).expect("text");
            assert_eq!(text.contains("args_left_out"), left_out, "{text}");
            let read = by_hand(&text).expect("a job");
            assert_eq!(read.args_left_out, left_out);
            assert_eq!(read.args, Payload::null(Codec::Json));
        }
    }

    #[test]
    fn an_invalid_job_is_refused_with_the_part_that_is_wrong() {
        for (body, part) in [
            ("", "empty"),
            ("{", "json"),
            ("{}", "\"task\" is missing"),
            (r#"{"task":"a b"}"#, "task"),
            (r#"{"task":"t","v":4}"#, "version 4"),
            (r#"{"task":"t","args_blob":"a.b/1"}"#, "args_blob"),
            (r#"{"task":"t","attempt":-1}"#, "attempt"),
            (r#"{"task":"t","policy":"sometimes:1s"}"#, "policy"),
            (r#"{"task":"t","policy":{"max_retries":"x"}}"#, "policy"),
            (r#"{"task":"t","timeout_ms":1e400}"#, "timeout_ms"),
            (r#"{"task":"t","deadline":"soon"}"#, "deadline"),
            (r#"{"task":"t","tags":["\u001b[2J"]}"#, "tags"),
            (r#"{"task":"t","id":"a.b"}"#, "id"),
            (r#"{"task":"t","nonce":"a b"}"#, "nonce"),
            (r#"{"task":"t","origin":"a b"}"#, "origin"),
            (r#"{"task":"t","limits":[{"key":"a","rate":{"count":0,"per_ms":1000}}]}"#, "limits"),
            (r#"{"task":"t","task":"u"}"#, "twice"),
        ] {
            let err = by_hand(body).expect_err(body).to_string();
            assert!(err.contains(part), "{body}: {err}");
        }
    }

    #[test]
    fn a_job_over_the_limit_is_refused_before_it_is_sent() {
        let args = Payload::encode(Codec::Json, &"x".repeat(MAX_ENVELOPE_BYTES)).expect("writes");
        let meta = meta();
        let job = Envelope::new(
            meta.queue,
            meta.id,
            TaskName::new("t").expect("a name"),
            args,
            meta.stored_at,
        );
        assert!(matches!(job.encode(), Err(EncodeError::TooLarge { .. })));
    }
}
