//! Thousands of messages that a hostile or a broken producer may store, read by workers, by commands and by
//! the dashboard. No process ends, and each message has an end or is still stored.
//!
//! `NAQ_FUZZ_MESSAGES` and `NAQ_FUZZ_SEED` change the run; `just fuzz` makes a long one.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use naq_core::transport::{JobsQuery, Lookup, Order, Place, SCAN};
use naq_core::{Clock, QueueName, SystemClock};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{ChildProcess, MALFORMED, NatsConnection, eventually};

use crate::run::{Broker, PATIENCE, naq};

/// Messages of the run that the tests make.
const MESSAGES: u64 = 3_000;
const QUEUE: &str = "fuzz";
/// A job with all fields, whose bytes are changed at random.
const WHOLE: &[u8] = br#"{"v":1,"id":"x","queue":"fuzz","task":"greet","args":{"to":"ann","n":[1,2,3]},
"policy":{"max_retries":3,"delay":[1,2],"strategy":"exponential","jitter":"full"},"timeout_ms":5000,
"enqueued_at":"2026-11-23T12:00:00.000Z","tags":["a"],"nonce":"0a1b2c3d4e5f","attempt":1,"crashes":0}"#;

/// One message, and whether its subject names the job `f<n>`.
struct Fuzzed {
    subject: Vec<u8>,
    headers: Vec<u8>,
    body: Vec<u8>,
    is_named: bool,
}

fn bytes(rng: &mut fastrand::Rng, most: usize) -> Vec<u8> {
    (0..rng.usize(0..=most)).map(|_| rng.u8(..)).collect()
}

fn body(rng: &mut fastrand::Rng) -> Vec<u8> {
    match rng.u8(0..10) {
        0 => bytes(rng, 200),
        1 => WHOLE[..rng.usize(0..WHOLE.len())].to_vec(),
        2 | 3 => {
            let mut changed = WHOLE.to_vec();
            for _ in 0..rng.usize(1..8) {
                let at = rng.usize(0..changed.len());
                changed[at] = rng.u8(..);
            }
            changed
        }
        4 => ["[", "{\"a\":", "\u{91}"][rng.usize(0..3)].repeat(rng.usize(1..2_000)).into_bytes(),
        5 => format!(r#"{{"task":"greet","args":"{}"}}"#, "x".repeat(rng.usize(0..20_000))).into(),
        _ => format!(r#"{{"task":"greet","args":{}}}"#, rng.u32(..)).into_bytes(),
    }
}

fn headers(rng: &mut fastrand::Rng) -> Vec<u8> {
    const NAMES: [&str; 8] = [
        "Content-Type",
        "Naq-Step",
        "Naq-Suspect",
        "Naq-Raw-Headers",
        "Naq-Unreadable",
        "Naq-Awaited",
        "X-Own",
        "traceparent",
    ];
    const VALUES: [&str; 7] =
        ["application/json", "application/msgpack", "text/x", "a/1/0", "1", "\u{e4}\u{2028}", ""];
    match rng.u32(0..400) {
        0 => MALFORMED[rng.usize(0..MALFORMED.len())].headers.to_vec(),
        1 => [b"NATS/1.0\r\nA: ".to_vec(), bytes(rng, 40), b"\r\n\r\n".to_vec()].concat(),
        2 => [bytes(rng, 20), b"\r\n\r\n".to_vec()].concat(),
        3..160 => {
            let mut block = b"NATS/1.0\r\n".to_vec();
            for _ in 0..rng.usize(1..4) {
                let name = NAMES[rng.usize(0..NAMES.len())];
                let value = VALUES[rng.usize(0..VALUES.len())];
                block.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
            }
            [block, b"\r\n".to_vec()].concat()
        }
        _ => Vec::new(),
    }
}

fn message(seed: u64, n: u64) -> Fuzzed {
    let mut rng =
        fastrand::Rng::with_seed(seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let mut subject = format!("naq.q.{QUEUE}.f{n}").into_bytes();
    let is_named = rng.u32(0..50) > 0;
    if !is_named {
        // No separator, wildcard or white space of the protocol.
        let odd =
            [&b"\xff"[..], b"\x0b", "\u{a0}".as_bytes(), "\u{e4}".as_bytes(), b"%", b".x", b"\x01"];
        subject.extend_from_slice(odd[rng.usize(0..odd.len())]);
    }
    Fuzzed { subject, headers: headers(&mut rng), body: body(&mut rng), is_named }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The status line of a page.
fn page(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(40))).expect("a limit");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("asked");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

/// What operators and their tools read while the messages arrive.
fn read_everything(broker: &Broker, dashboard: &str) {
    for command in [
        &["job", "list", "--limit", "200"][..],
        &["job", "list", "--state", "dead", "-o", "json"],
        &["job", "list", "--state", "completed"],
        &["job", "list", "--state", "scheduled"],
        &["dlq", "list", "--limit", "300"],
        &["queue", "list"],
        &["workers"],
        &["schedule", "list"],
    ] {
        let ran = broker.naq(command);
        assert_eq!(ran.code, 0, "{command:?}: {ran:?}");
    }
    for path in ["/", "/jobs", "/jobs?state=dead", "/dead", "/queues", "/queues/fuzz", "/workers"] {
        let status = page(dashboard, path);
        assert!(status.contains(" 200 "), "{path}: {status}");
    }
}

/// The ids of all jobs of the queue at this place.
async fn ids(transport: &NatsTransport, place: Place) -> HashSet<String> {
    let queue = Some(QueueName::new(QUEUE).expect("a name"));
    let order = Order::OldestFirst;
    let mut query = JobsQuery { queue, order, limit: SCAN, ..JobsQuery::at(place) };
    let mut found = HashSet::new();
    loop {
        let page = transport.jobs(&query).await.expect("lists");
        found.extend(page.jobs.into_iter().map(|job| job.key.id.to_string()));
        query.cursor = page.next;
        if query.cursor.is_none() {
            return found;
        }
    }
}

#[tokio::test]
async fn no_stored_message_ends_a_process_and_each_has_an_end() {
    let (count, seed) = (setting("NAQ_FUZZ_MESSAGES", MESSAGES), setting("NAQ_FUZZ_SEED", 11));
    let began = SystemClock.now();
    // Messages that are stored before the queue is drained again.
    let chunk = (count / 20).clamp(1_000, 20_000);
    let broker = Broker::start();
    let mut workers: Vec<ChildProcess> = (0..2)
        .map(|_| {
            broker.worker(&[QUEUE, "--lease", "2s", "--concurrency", "20", "--log-level", "error"])
        })
        .collect();
    let mut command = naq();
    command.env("NAQ_NATS_URL", broker.server.url()).args(["dashboard", "--port", "0"]);
    let mut dashboard = ChildProcess::spawn(command).expect("starts");
    dashboard.wait_for_output("dashboard at http://", PATIENCE).await.expect("says where it is");
    let said = dashboard.stdout();
    let address = said.trim().rsplit("http://").next().unwrap_or_default().trim_end_matches('/');
    let transport = NatsTransport::connect(NatsConfig::new(broker.server.url())).await;
    let transport = Arc::new(transport.expect("connects"));
    let queue = QueueName::new(QUEUE).expect("a name");
    eventually("a queue", PATIENCE, async || {
        transport
            .queue_info(&queue)
            .await
            .is_ok_and(|info| info.is_some_and(|it| it.lease.is_some()))
    })
    .await;
    let mut raw = NatsConnection::connect(&broker.server.address(), "").expect("connects");
    // What is not the queue's: no worker removes it, and all lists read past it.
    for message in MALFORMED {
        for place in ["r.other.", "d.other.", "s.fuzz.", "k.pause.", "k.schedule.", "w.", "m."] {
            let subject =
                [format!("naq.{place}{}", message.name).as_bytes(), message.subject].concat();
            raw.publish(&subject, message.headers, b"{}").expect("sent");
        }
        raw.publish(b"naq.ctl", message.headers, b"{}").expect("sent");
    }
    let (mut named, mut odd) = (Vec::new(), 0);
    for n in 0..count {
        let message = message(seed, n);
        raw.publish(&message.subject, &message.headers, &message.body).expect("sent");
        if message.is_named {
            named.push(n)
        } else {
            odd += 1
        }
        if (n + 1) % chunk == 0 || n + 1 == count {
            assert_eq!(raw.ping().expect("answers"), "PONG");
            if n < 2 * chunk || (n + 1) % (5 * chunk) == 0 {
                read_everything(&broker, address);
            }
            eventually(
                "an empty queue",
                PATIENCE.max(Duration::from_millis(10 * chunk)),
                async || {
                    let info = transport.queue_info(&queue).await.map_err(|e| e.to_string())?;
                    let info = info.ok_or("no queue")?;
                    (info.pending + info.running == 0).then_some(()).ok_or(format!("{info:?}"))
                },
            )
            .await;
        }
    }
    let mut found = HashSet::new();
    let mut counts = Vec::new();
    for place in [Place::Record, Place::Dead, Place::Schedule] {
        let ids = ids(&transport, place).await;
        counts.push((place, ids.len()));
        found.extend(ids);
    }
    let missing: Vec<_> = named.iter().filter(|n| !found.contains(&format!("f{n}"))).collect();
    assert!(missing.is_empty(), "seed {seed}: {} have no end: {missing:?}", missing.len());
    let generated = found.iter().filter(|id| id.starts_with("bad-")).count();
    assert_eq!(generated, odd, "seed {seed}: each message with an odd subject has an end");
    assert!(page(address, "/healthz").contains(" 200 "));
    for process in workers.iter_mut().chain([&mut dashboard]) {
        process.terminate().expect("it still runs");
        let status = process.wait(PATIENCE).await.expect("it ends");
        assert!(status.success(), "{status}: {}", process.stderr());
    }
    let took = SystemClock.now().since(began).as_secs();
    println!("seed {seed}: {count} messages, {odd} with odd subjects, {took} s: {counts:?}");
}
