//! A message that is no job becomes a dead letter, byte for byte, and does not harm the worker.

use bytes::Bytes;
use naq_core::transport::{JobKey, Producer, Submission};
use naq_core::wire::{WireMessage, headers};
use naq_core::{Clock, JobId, JobState, QueueName};

use crate::bench::{Bench, Do, LEASE, secs};

pub(crate) async fn publish(bench: &Bench, id: &str, body: &[u8], content_type: &str) {
    let message = WireMessage::new(Bytes::copy_from_slice(body));
    publish_message(bench, id, message.with(headers::CONTENT_TYPE, content_type)).await;
}

async fn publish_message(bench: &Bench, id: &str, message: WireMessage) {
    let key = JobKey { queue: QueueName::default(), id: JobId::new(id).expect("an id") };
    let dedup = id.to_owned();
    let job = Submission { key, due_at: None, dedup, unique: false, message };
    bench.broker.publish(job).await.expect("stored");
    bench.turn().await;
}

#[tokio::test]
async fn a_job_of_a_newer_format_is_left_to_a_newer_worker_for_a_day() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    let body = br#"{"v":4,"task":"script"}"#;
    publish(&bench, "new", body, "application/json").await;
    bench.pass(LEASE * 3).await;
    // Other jobs pass it by.
    bench.enqueue("job", [Do::Succeed]).await;
    assert_eq!(bench.state("job").await, JobState::Completed);
    let report = bench.report("new").await;
    assert!(!report.state.is_final() && report.dead.is_none(), "{report:?}");
    bench.clock.set(bench.clock.now() + secs(24 * 60 * 60));
    bench.pass(LEASE * 2).await;
    let dead = bench.report("new").await.dead.expect("no worker understood it");
    assert_eq!((&dead.body[..], dead.rule.as_str()), (&body[..], "undecodable"));
}

#[tokio::test]
async fn malformed_bodies_in_quantity_die_at_once_with_their_bytes() {
    let bench = Bench::new();
    let _worker = bench.start_with(|b| b.concurrency(2)).await;
    let deep = "[".repeat(10_000);
    let bodies: Vec<(&[u8], &str)> = vec![
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"null", "application/json"),
        (b"{\"task\":1}", "application/json"),
        (b"{\"task\":\"a\\u0000b\"}", "application/json"),
        (b"{\"task\":\"script\",\"timeout_ms\":-1}", "application/json"),
        (b"\xff\xfe", "application/json"),
        (deep.as_bytes(), "application/json"),
        (b"\x81", "application/msgpack"),
        (b"\xdf\xff\xff\xff\xff", "application/msgpack"),
        (b"{\"task\":\"script\"}", "application/msgpack"),
        (b"{\"task\":\"script\"}", "text/plain"),
    ];
    for round in 0..20 {
        for (n, (body, content_type)) in bodies.iter().enumerate() {
            let id = format!("bad{round}-{n}");
            publish(&bench, &id, body, content_type).await;
            let report = bench.report(&id).await;
            let dead = report.dead.unwrap_or_else(|| panic!("{id} is {}", report.state));
            assert_eq!(&dead.body[..], *body, "{id}");
            assert_eq!(dead.content_type.as_deref(), Some(*content_type), "{id}");
            let told = (dead.error_kind.as_str(), dead.rule.as_str());
            assert_eq!(told, ("DecodeError", "undecodable"), "{id}");
            assert!(!dead.message.is_empty(), "{id}");
        }
    }
    bench.enqueue("good", [Do::Succeed]).await;
    assert_eq!(bench.state("good").await, JobState::Completed);
    assert_eq!(bench.left().await, 0);
}

#[tokio::test]
async fn a_job_written_by_hand_runs_and_retries_under_the_default_policy() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    let body = br#"{"task":"script","args":[{"Fail":"ConnectionError"},"Succeed"],"x":{"kept":1}}"#;
    publish(&bench, "by-hand", body, "application/json").await;
    assert_eq!(bench.state("by-hand").await, JobState::Retrying);
    bench.pass(crate::bench::secs(5)).await;
    assert_eq!(bench.history("by-hand").await, ["1:Failed:strategy", "2:Completed:succeeded"]);
}

#[tokio::test]
async fn a_message_that_is_no_job_and_as_large_as_the_broker_takes_dies_once_with_its_bytes() {
    const MAX: usize = 1024 * 1024;
    // Room for a short letter, and for none but the body.
    for (spare, told) in [(320, "DecodeError"), (100, "Error")] {
        let bench = Bench::new();
        let _worker = bench.start().await;
        let body = vec![b'{'; MAX - spare];
        publish(&bench, "bad", &body, "application/json").await;
        let dead = bench.report("bad").await.dead.expect("dead");
        assert!(dead.body == body, "byte for byte");
        assert_eq!(dead.content_type.as_deref(), Some("application/json"));
        assert_eq!(dead.error_kind.as_str(), told, "{spare}");
        assert_eq!(bench.left().await, 0);
    }
}

#[tokio::test]
async fn a_job_whose_counters_are_full_or_do_not_agree_is_dead_and_not_lost() {
    const MAX: u32 = u32::MAX;
    let fails = r#"{"task":"script","args":[{"Fail":"Error"}],"policy":{"max_retries":4294967295}"#;
    let snoozes = r#"{"task":"script","args":[{"Snooze":60}]"#;
    let unknown = r#"{"task":"unknown","args":null"#;
    for (id, body, step, kind, told) in [
        ("attempt", format!("{fails},\"attempt\":{MAX}}}"), None, "Error", "no retry is left"),
        ("last", format!("{fails},\"attempt\":{}}}", MAX - 1), None, "Error", "no retry is left"),
        ("snoozes", format!("{snoozes},\"snoozes\":{MAX}}}"), None, "Error", "last one"),
        ("unknown", format!("{unknown},\"snoozes\":{MAX}}}"), None, "UnknownTask", "last one"),
        ("crashes", format!("{fails},\"crashes\":{MAX}}}"), None, "Crash", "handler died"),
        ("header", format!("{fails}}}"), Some("n/7/0"), "Error", "the header Naq-Step says n/7/0"),
    ] {
        let bench = Bench::new();
        let _worker = bench.start().await;
        let message = WireMessage::new(Bytes::from(body));
        let message = match step {
            Some(step) => message.with(headers::STEP, step),
            None => message,
        };
        publish_message(&bench, id, message).await;
        for _ in 0..20 {
            bench.pass(crate::bench::secs(60)).await;
        }
        let report = bench.report(id).await;
        let dead = report.dead.unwrap_or_else(|| panic!("{id} is {}", report.state));
        assert_eq!((dead.error_kind.as_str(), bench.left().await), (kind, 0), "{id}");
        assert!(dead.reason.contains(told), "{id}: {}", dead.reason);
    }
}
