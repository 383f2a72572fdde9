//! Input of other programs: jobs written by hand, and bodies that are not jobs.

use bytes::Bytes;
use naq_core::names::{JobId, QueueName};
use naq_core::retry::RetryPolicy;
use naq_core::transport::Place;
use naq_core::wire::{Codec, DecodeError, WireMessage, headers};

use crate::Subject;
use crate::case::{BRIEF, Case};

pub async fn a_job_written_by_hand_needs_only_a_task_in_json(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.json("a", r#"{"task":"email.send"}"#).await;
    let delivery = case.next_delivery(&mut sub).await;
    let job = delivery.envelope().unwrap();
    assert_eq!((&job.queue, &job.id), (&case.queue, &case.key("a").id));
    assert_eq!((job.task.as_str(), &job.args.bytes()[..]), ("email.send", &b"null"[..]));
    assert_eq!((job.policy, job.attempt, job.crashes), (RetryPolicy::default(), 1, 0));
    assert_eq!(job.enqueued_at, delivery.stored.stored_at);
    case.complete(&delivery).await;
    case.expect_places("a", &[Place::Record]).await;
}

pub async fn a_job_written_by_hand_needs_only_a_task_in_messagepack(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let body = Codec::MsgPack.encode("a job", &serde_json::json!({"task": "email.send"})).unwrap();
    let message = WireMessage::new(body).with(headers::CONTENT_TYPE, "application/msgpack");
    case.publish_raw("a", message).await;
    let delivery = case.next_delivery(&mut sub).await;
    let job = delivery.envelope().unwrap();
    assert_eq!((job.task.as_str(), job.codec), ("email.send", Codec::MsgPack));
    // The retry has the codec of the job.
    case.settle(&delivery, &case.retry(&delivery, std::time::Duration::ZERO)).await;
    let again = case.next_delivery(&mut sub).await;
    assert_eq!(again.stored.message.codec(), Ok(Codec::MsgPack));
    assert_eq!(again.envelope().unwrap().attempt, 2);
    case.complete(&again).await;
}

pub async fn the_subject_and_not_the_body_names_the_job(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.json("a", r#"{"task":"t","id":"b","queue":"elsewhere"}"#).await;
    let job = case.next_delivery(&mut sub).await.envelope().unwrap();
    assert_eq!((job.queue, job.id), (case.queue.clone(), case.key("a").id));
}

pub async fn a_body_that_is_not_a_job_arrives_with_a_typed_error_and_its_bytes(
    subject: &dyn Subject,
) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let deep = format!("{{\"task\":\"t\",\"tags\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let mut deep_pack = vec![0x81, 0xa1, b'a'];
    deep_pack.extend(vec![0x91; 10_000]);
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("application/json", b"".to_vec()),
        ("application/json", b"{".to_vec()),
        ("application/json", b"[]".to_vec()),
        ("application/json", b"null".to_vec()),
        ("application/json", b"\xff\xfe\x00".to_vec()),
        ("application/json", br#"{"task":"t"} "#.repeat(2)),
        ("application/json", br#"{"task":3}"#.to_vec()),
        ("application/json", br#"{"task":"t.*.>\n"}"#.to_vec()),
        ("application/json", br#"{"task":"t","v":99}"#.to_vec()),
        ("application/json", br#"{"task":"t","id":"a.*"}"#.to_vec()),
        ("application/json", br#"{"task":"t","queue":"naq.>"}"#.to_vec()),
        ("application/json", br#"{"task":"t","policy":"sometimes"}"#.to_vec()),
        ("application/json", br#"{"task":"t","task":"u"}"#.to_vec()),
        ("application/json", deep.into_bytes()),
        ("application/json", b"\x81\xa4task\xa1t".to_vec()),
        ("application/msgpack", br#"{"task":"t"}"#.to_vec()),
        ("application/msgpack", b"\x81\xa4task".to_vec()),
        ("application/msgpack", deep_pack),
        ("text/html", br#"{"task":"t"}"#.to_vec()),
    ];
    for (i, (content_type, body)) in bodies.iter().enumerate() {
        let message = WireMessage::new(Bytes::from(body.clone()));
        let message = message.with(headers::CONTENT_TYPE, content_type);
        case.publish_raw(&format!("job-{i}"), message).await;
    }
    case.json("good", r#"{"task":"t"}"#).await;
    for (i, (content_type, body)) in bodies.iter().enumerate() {
        let delivery = case.next_delivery(&mut sub).await;
        let name = format!("job-{i}");
        assert_eq!(delivery.stored.key, case.key(&name));
        let err: DecodeError = delivery.envelope().expect_err(&name);
        assert!(err.to_string().len() < 500, "{err}");
        case.settle(&delivery, &case.dead(&delivery, "DecodeError")).await;
        case.expect_places(&name, &[Place::Dead]).await;
        let letter = case.transport.locate(&case.key(&name)).await.unwrap().remove(0);
        assert_eq!(letter.message.body, body, "{name}");
        assert_eq!(letter.dead_letter().content_type.as_deref(), Some(*content_type));
    }
    let good = case.next_delivery(&mut sub).await;
    assert_eq!(good.stored.key, case.key("good"), "the next job arrives");
    good.envelope().unwrap();
    case.complete(&good).await;
    case.expect_nothing(&mut sub, BRIEF).await;
}

pub async fn names_with_wildcards_are_refused(subject: &dyn Subject) {
    let case = Case::new(subject);
    for bad in ["*", ">", "a.b", "a.>", "", " ", "a b", "a\r\nb", "\u{7f}", "é"] {
        assert!(QueueName::new(bad).is_err() && JobId::new(bad).is_err(), "{bad:?}");
        let job = case.client.enqueue_task("t", &1).unwrap();
        assert!(job.queue(bad).await.is_err(), "{bad:?}");
        let job = case.client.enqueue_task("t", &1).unwrap();
        assert!(job.id(bad).await.is_err(), "{bad:?}");
    }
    assert!(case.client.enqueue_task("t *", &1).is_err());
}
