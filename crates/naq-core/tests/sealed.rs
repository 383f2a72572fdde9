//! Encrypted values: against vectors that another program made, and what they are bound to.
#![cfg(feature = "jobs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use naq_core::compress::MAX_IN_MESSAGE;
use naq_core::seal::{KeyRing, OpenError, Owner, Salt, SealKind, Subject};
use naq_core::wire::DecodeError;
use naq_core::{Codec, Envelope, JobId, Payload, QueueName, ScheduleName, TaskName, Timestamp};
use serde_json::Value;

fn kind(name: &str) -> SealKind {
    use SealKind::{Args, Checkpoint, Error, Progress, Result};
    let all = [Args, Result, Checkpoint, Progress, Error];
    all.into_iter().find(|kind| kind.as_str() == name).unwrap()
}

fn rings(vectors: &Value) -> KeyRing {
    let keys = vectors["keys"].as_object().unwrap();
    let line = |(id, key): (&String, &Value)| format!("{id} {}\n", key.as_str().unwrap());
    keys.iter().map(line).collect::<String>().parse().unwrap()
}

#[test]
fn sealed_values_are_those_of_the_golden_file() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/sealed.json");
    let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let all = rings(&vectors);
    for case in vectors["values"].as_array().unwrap() {
        let text = |name: &str| case[name].as_str().unwrap();
        let bytes = |name: &str| STANDARD.decode(text(name)).unwrap();
        let (queue, task) =
            (QueueName::new(text("queue")).unwrap(), TaskName::new(text("task")).unwrap());
        let id = case["id"].as_str().map(|id| JobId::new(id).unwrap());
        let schedule = case["schedule"].as_str().map(|name| ScheduleName::new(name).unwrap());
        let owner = match (&id, &schedule) {
            (Some(id), _) => Owner::Job(id),
            (None, Some(name)) => Owner::Schedule(name),
            _ => panic!("{case}"),
        };
        let subject = Subject { kind: kind(text("kind")), queue: &queue, owner, task: &task };
        let codec: Codec = text("codec").parse().unwrap();
        let value = Payload::from_raw(codec, bytes("plain").into());
        let compressed = case["compressed"].as_str();
        let plain = compressed.map_or(value.clone(), |it| Payload::encode(codec, it).unwrap());
        assert_eq!(plain.decompressed(MAX_IN_MESSAGE).unwrap(), value);
        let key = vectors["keys"][text("key")].as_str().unwrap();
        let own: KeyRing = format!("{} {key}", text("key")).parse().unwrap();
        let salt = Salt::from_bytes(bytes("salt").try_into().unwrap());
        let sealed = own.seal(&subject, &plain, salt).unwrap();
        let expected = Payload::encode(codec, text("sealed")).unwrap();
        assert_eq!(sealed.bytes(), expected.bytes(), "{}", text("name"));
        assert_eq!(sealed.encrypted_with().as_deref(), Some(text("key")));
        assert_eq!(sealed.is_compressed(), compressed.is_some());
        for codec in [Codec::Json, Codec::MsgPack] {
            let stored = sealed.transcode(codec).unwrap();
            let opened = all.open(&subject, &stored).unwrap();
            let opened = opened.decompressed(MAX_IN_MESSAGE).unwrap();
            assert_eq!(opened, value, "{}", text("name"));
        }
    }
}

fn ring(ids: &[&str]) -> KeyRing {
    let keys = ids.iter().map(|id| format!("{id} {}\n", KeyRing::generate_key()));
    keys.collect::<String>().parse().unwrap()
}

fn job(id: &str, args: &Payload) -> Envelope {
    let (queue, id) = (QueueName::new("mail").unwrap(), JobId::new(id).unwrap());
    let task = TaskName::new("email.send").unwrap();
    Envelope::new(queue, id, task, args.clone(), Timestamp::from_millis(1))
}

#[test]
fn a_value_opens_only_for_its_job_its_task_its_queue_and_what_it_is() {
    let ring = ring(&["k1"]);
    let plain = Payload::encode(Codec::Json, &7).unwrap();
    let own = job("job-1", &plain);
    let sealed = ring.seal_of_job(&own, SealKind::Args, &plain).unwrap();
    assert_eq!(ring.open_of_job(&own, SealKind::Args, &sealed).unwrap(), plain);
    let broken = Err(OpenError::Broken("k1".into()));
    assert_eq!(ring.open_of_job(&own, SealKind::Result, &sealed), broken);
    let changes: [fn(&mut Envelope); 3] = [
        |job| job.id = JobId::new("job-2").unwrap(),
        |job| job.task = TaskName::new("email.sent").unwrap(),
        |job| job.queue = QueueName::new("billing").unwrap(),
    ];
    for change in changes {
        let mut other = own.clone();
        change(&mut other);
        assert_eq!(ring.open_of_job(&other, SealKind::Args, &sealed), broken);
    }
    // Each byte of it counts.
    let text: String = serde_json::from_slice(sealed.bytes()).unwrap();
    let data = text.rfind(':').unwrap() + 1;
    for at in data..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = Payload::encode(Codec::Json, &String::from_utf8(changed).unwrap()).unwrap();
        assert!(ring.open_of_job(&own, SealKind::Args, &changed).is_err(), "byte {at}");
    }
    for cut in [data, data + 8, text.len() - 1] {
        let cut = Payload::encode(Codec::Json, &text[..cut]).unwrap();
        assert!(ring.open_of_job(&own, SealKind::Args, &cut).is_err());
    }
}

#[test]
fn no_two_values_have_the_same_key_unless_they_are_the_same_value_of_a_schedule() {
    let ring = ring(&["k1"]);
    let plain = Payload::encode(Codec::Json, &7).unwrap();
    let own = job("nightly-1", &plain);
    let seal = || ring.seal_of_job(&own, SealKind::Args, &plain).unwrap();
    assert_ne!(seal(), seal());
    let (name, other) =
        (ScheduleName::new("nightly").unwrap(), ScheduleName::new("night").unwrap());
    let of = |name, plain: &Payload| {
        let owner = Owner::Schedule(name);
        let subject = Subject { kind: SealKind::Args, queue: &own.queue, owner, task: &own.task };
        ring.seal_again(&subject, plain).unwrap()
    };
    let sealed = of(&name, &plain);
    assert_eq!(sealed, of(&name, &plain));
    // The first 24 bytes are the salt.
    let salt = |value: &Payload| {
        let text: String = serde_json::from_slice(value.bytes()).unwrap();
        text.rsplit(':').next().unwrap()[..32].to_owned()
    };
    let eight = Payload::encode(Codec::Json, &8).unwrap();
    assert_ne!(salt(&sealed), salt(&of(&name, &eight)));
    assert_ne!(salt(&sealed), salt(&of(&other, &plain)));
    assert_eq!(ring.open_of_job(&own, SealKind::Args, &sealed).unwrap(), plain);
    // A run of another schedule, and a job that is no run.
    for id in ["night-1", "nightly", "job-1"] {
        let broken = ring.open_of_job(&job(id, &plain), SealKind::Args, &sealed);
        assert_eq!(broken, Err(OpenError::Broken("k1".into())), "{id}");
    }
}

#[test]
fn a_new_key_encrypts_and_old_keys_still_decrypt() {
    let both = ring(&["new", "old"]);
    let plain = Payload::encode(Codec::MsgPack, &"x").unwrap();
    let own = job("job-1", &plain);
    let sealed = both.seal_of_job(&own, SealKind::Args, &plain).unwrap();
    assert_eq!(sealed.encrypted_with().as_deref(), Some("new"));
    let unknown = ring(&["old"]).open_of_job(&own, SealKind::Args, &sealed);
    assert_eq!(unknown, Err(OpenError::UnknownKey("new".into())));
    // A ring with the same id and another key.
    let other = ring(&["new"]).open_of_job(&own, SealKind::Args, &sealed);
    assert_eq!(other, Err(OpenError::Broken("new".into())));
    assert_eq!(sealed.decode::<Value>(), Err(DecodeError::Encrypted { key: "new".into() }));
    // What is not encrypted is read as it is.
    assert_eq!(both.open_of_job(&own, SealKind::Args, &plain).unwrap(), plain);
    assert_eq!(plain.encrypted_with(), None);
}
