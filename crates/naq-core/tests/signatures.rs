//! Signed jobs: the bytes that a signature covers, against vectors that another program made, and what
//! makes a signature invalid.
#![cfg(feature = "jobs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use bytes::Bytes;
use naq_core::sign::{
    SignatureFault, SigningKey, TrustedKeys, signed_bytes, signed_schedule_bytes, verify,
};
use naq_core::transport::{JobKey, Place, Stored};
use naq_core::wire::{AttemptOutcome, AttemptRecord, Nonce, Signature, WireMessage, headers};
use naq_core::{Codec, Envelope, JobId, Payload, QueueName, TaskName, Timestamp};
use serde_json::Value;

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/signatures.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn read(queue: &str, id: &str, body: Bytes, codec: Codec) -> Envelope {
    let stored = Stored {
        key: JobKey::new(QueueName::new(queue).unwrap(), JobId::new(id).unwrap()),
        place: Place::Queue,
        seq: 7,
        stored_at: Timestamp::from_millis(1),
        due_at: None,
        delivered: false,
        message: WireMessage::new(body).with(headers::CONTENT_TYPE, codec.content_type()),
    };
    stored.envelope().unwrap()
}

fn again(job: &Envelope) -> Envelope {
    read(job.queue.as_str(), job.id.as_str(), job.encode().unwrap(), job.codec)
}

fn job(codec: Codec) -> Envelope {
    let args = Payload::encode(codec, &["ann@example.com"]).unwrap();
    let (queue, id) = (QueueName::new("mail").unwrap(), JobId::new("job-1").unwrap());
    let task = TaskName::new("email.send").unwrap();
    let mut job = Envelope::new(queue, id, task, args, Timestamp::from_millis(1_000));
    job.policy = "exponential:2s,max_retries=4".parse().unwrap();
    job
}

fn trusts(key: &SigningKey) -> TrustedKeys {
    format!("web {}", key.public()).parse().unwrap()
}

#[test]
fn signatures_are_those_of_the_golden_file() {
    let vectors = vectors();
    let key: SigningKey = vectors["seed"].as_str().unwrap().parse().unwrap();
    assert_eq!(key.public(), vectors["public"]);
    for case in vectors["jobs"].as_array().unwrap() {
        let body = case["body"].as_str().unwrap();
        let value: Value = serde_json::from_str(body).unwrap();
        let id = value["id"].as_str().unwrap();
        let mut job =
            read(value["queue"].as_str().unwrap(), id, Bytes::from(body.to_owned()), Codec::Json);
        assert_eq!(verify(&job, &trusts(&key)).unwrap().name(), "web", "{id}");
        let signature = job.signature.clone().unwrap();
        let signed = match &signature.schedule {
            Some(schedule) => {
                assert_eq!(key.sign_schedule(schedule, &job).unwrap(), signature);
                signed_schedule_bytes(schedule, &job)
            }
            None => {
                key.sign(&mut job).unwrap();
                assert_eq!(job.signature.as_ref(), Some(&signature));
                signed_bytes(&job)
            }
        };
        assert_eq!(String::from_utf8(signed.unwrap()).unwrap(), case["signed"], "{id}");
    }
}

#[test]
fn a_signature_stays_valid_over_all_that_a_retry_and_a_requeue_change() {
    let key = SigningKey::generate();
    for codec in [Codec::Json, Codec::MsgPack] {
        let mut job = job(codec);
        key.sign(&mut job).unwrap();
        let mut job = again(&job);
        job.attempt = 3;
        job.crashes = 1;
        job.snoozes = 2;
        job.due_at = Some(Timestamp::from_millis(9_000));
        job.first_started_at = Some(Timestamp::from_millis(2_000));
        job.record(AttemptRecord::new(1, AttemptOutcome::Failed));
        job.traceparent = Some("00-a-b-01".into());
        assert!(verify(&again(&job), &trusts(&key)).is_ok(), "{codec}: a retry");
        job.origin = Some(job.nonce.clone());
        job.nonce = Nonce::parse("r7-1000").unwrap();
        assert!(verify(&again(&job), &trusts(&key)).is_ok(), "{codec}: a requeue");
    }
}

#[test]
fn a_change_of_anything_that_the_producer_decides_makes_the_signature_invalid() {
    let key = SigningKey::generate();
    type Change = (&'static str, fn(&mut Envelope));
    let changes: [Change; 12] = [
        ("queue", |job| job.queue = QueueName::new("billing").unwrap()),
        ("id", |job| job.id = JobId::new("job-2").unwrap()),
        ("task", |job| job.task = TaskName::new("email.sends").unwrap()),
        ("args", |job| job.args = Payload::encode(job.codec, &["bob@example.com"]).unwrap()),
        ("policy", |job| job.set_policy("fixed:1s".parse().unwrap())),
        ("life", |job| job.nonce = Nonce::parse("other").unwrap()),
        ("enqueued_at", |job| job.enqueued_at = Timestamp::from_millis(1_001)),
        ("deadline", |job| job.deadline = Some(Timestamp::from_millis(5_000))),
        ("timeout", |job| job.timeout = Some(std::time::Duration::from_secs(1))),
        ("record_ttl", |job| job.record_ttl = std::time::Duration::ZERO),
        ("tags", |job| job.tags = vec!["x".into()]),
        ("on_exhausted", |job| job.on_exhausted = Some("order.refund".into())),
    ];
    for (what, change) in changes {
        let mut job = job(Codec::Json);
        key.sign(&mut job).unwrap();
        change(&mut job);
        let fault = verify(&again(&job), &trusts(&key)).unwrap_err();
        assert_eq!(fault, SignatureFault::Invalid("web".into()), "{what}");
    }
}

#[test]
fn only_a_key_that_the_queue_accepts_is_accepted() {
    let (web, old) = (SigningKey::generate(), SigningKey::generate());
    let mut job = job(Codec::Json);
    assert_eq!(verify(&job, &trusts(&web)).unwrap_err(), SignatureFault::Unsigned);
    old.sign(&mut job).unwrap();
    let unknown = SignatureFault::UnknownKey(old.public().into());
    assert_eq!(verify(&job, &trusts(&web)).unwrap_err(), unknown);
    // Rotation: both keys are accepted for a while.
    let both = format!("web {}\nold {} mail", web.public(), old.public());
    let both: TrustedKeys = both.parse().unwrap();
    assert_eq!(verify(&job, &both).unwrap().name(), "old");
    let billing = format!("old {} billing", old.public()).parse().unwrap();
    let fault = verify(&job, &billing).unwrap_err().to_string();
    assert_eq!(fault, "the key old is not accepted for the queue mail");
    // The signature of one key under the name of another.
    job.signature = job.signature.map(|it| Signature { key: web.public().into(), ..it });
    assert_eq!(verify(&job, &both).unwrap_err(), SignatureFault::Invalid("web".into()));
    for sig in ["", "x", "AAAA"] {
        job.signature = job.signature.map(|it| Signature { sig: sig.into(), ..it });
        assert_eq!(verify(&job, &both).unwrap_err(), SignatureFault::Invalid("web".into()));
    }
}

#[test]
fn a_key_shows_its_secret_only_where_it_is_asked_for() {
    let key = SigningKey::generate();
    let seed = key.seed();
    assert!(!format!("{key:?}").contains(&seed));
    let file = format!("-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n");
    assert_eq!(file.parse::<SigningKey>().unwrap().public(), key.public());
    let mistyped = seed.replace(&seed[10..12], "00");
    let err = mistyped.parse::<SigningKey>().unwrap_err().to_string();
    assert!(err.contains("not the seed") && !err.contains(&seed[20..40]), "{err}");
}
