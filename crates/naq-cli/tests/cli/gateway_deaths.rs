//! The gateway is killed after each message that a request makes it send to the broker. The same request,
//! sent again to another gateway, then finds the work done or does it: once.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use naq_testing::eventually;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::gateway::{call, gateway, send};
use crate::run::{Broker, PATIENCE};

/// The link between a gateway and its broker, which ends after a number of messages.
#[derive(Debug, Default)]
struct Link {
    /// How many more messages pass. 0: it is not counted.
    left: AtomicUsize,
    ended: AtomicBool,
}

impl Link {
    /// A proxy in front of `broker`, and its URL.
    async fn open(broker: String) -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("nats://{}", listener.local_addr().expect("an address"));
        let link = Arc::new(Self::default());
        let opened = link.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&broker).await else { return };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(opened.clone().carry(from_client, to_server, true));
                tokio::spawn(opened.clone().carry(from_server, to_client, false));
            }
        });
        (link, url)
    }

    async fn carry(self: Arc<Self>, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, counts: bool) {
        let mut buffer = [0; 65_536];
        while let Ok(n @ 1..) = from.read(&mut buffer).await {
            // What is on its way when the link ends is lost, in both directions.
            if self.ended.load(Ordering::SeqCst) || to.write_all(&buffer[..n]).await.is_err() {
                return;
            }
            if counts {
                self.count(&buffer[..n]);
            }
        }
    }

    fn count(&self, sent: &[u8]) {
        let messages = sent.windows(4).filter(|part| part == b"PUB ").count();
        for _ in 0..messages {
            let left = self.left.load(Ordering::SeqCst);
            self.left.store(left.saturating_sub(1), Ordering::SeqCst);
            if left == 1 {
                self.ended.store(true, Ordering::SeqCst);
            }
        }
    }
}

/// Sends `request` to gateways that are killed after their first message, their second, and so on, until
/// one answers first. Each time the request is then sent to a gateway that lives, and `check` gets its
/// status and its answer. The arguments are the number of the round. Returns the number of deaths.
async fn kill_after_each_message(
    broker: &Broker,
    request: impl Fn(usize) -> (String, String, &'static str),
    check: impl Fn(usize, u16, &Value),
) -> usize {
    let (_living, living) = gateway(&broker.server.url(), &[]).await;
    is_ready(&living).await;
    for round in 1.. {
        let (link, url) = Link::open(broker.server.address()).await;
        let (mut first, address) = gateway(&url, &[]).await;
        is_ready(&address).await;
        let (head, headers, body) = request(round);
        link.left.store(round, Ordering::SeqCst);
        let mut unanswered = send(&address, &head, &headers, body).expect("sent");
        let answer = std::thread::spawn(move || {
            let mut answer = String::new();
            unanswered.read_to_string(&mut answer).map(|_| answer)
        });
        eventually("an answer, or the end of the link", PATIENCE, async || {
            (answer.is_finished() || link.ended.load(Ordering::SeqCst))
                .then_some(())
                .ok_or("neither")
        })
        .await;
        let ended = link.ended.load(Ordering::SeqCst);
        first.kill().expect("a signal");
        let answer = answer.join().expect("no panic").unwrap_or_default();
        assert!(!ended || !answer.starts_with("HTTP/1.1 2"), "before the broker's: {answer}");
        let (status, text) = call(&living, &head, &headers, body);
        check(round, status, &serde_json::from_str(&text).unwrap_or_default());
        if !ended {
            return round - 1;
        }
    }
    unreachable!("a request sends a limited number of messages")
}

async fn is_ready(address: &str) {
    eventually("the gateway is ready", PATIENCE, async || {
        let (status, body) = call(address, "GET /readyz", "", "");
        if status == 200 { Ok(()) } else { Err(body) }
    })
    .await;
}

fn state(broker: &Broker, id: &str) -> Value {
    broker.json(&["job", "show", id])["state"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_killed_at_any_step_of_an_enqueue_has_stored_the_job_once_or_not_at_all()
{
    let broker = Broker::start();
    broker.enqueue(&["email.send", "--queue", "mail"]);
    let pending = || {
        let queues = broker.json(&["queue", "info", "mail"]);
        queues["pending"].as_u64().expect("a number")
    };
    let deaths = kill_after_each_message(
        &broker,
        |round| {
            let key = format!("Idempotency-Key: order {round}\r\n");
            ("POST /v1/queues/mail/jobs".into(), key, r#"{"task":"email.send"}"#)
        },
        |round, status, answer| {
            assert!(matches!(status, 200 | 201), "{status}: {answer}");
            assert_eq!(pending(), 1 + round as u64, "{answer}");
        },
    )
    .await;
    assert!(deaths >= 1, "{deaths}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_killed_at_any_step_of_many_enqueues_stores_each_job_once() {
    let broker = Broker::start();
    broker.enqueue(&["email.send", "--queue", "mail"]);
    let deaths = kill_after_each_message(
        &broker,
        |round| {
            let headers =
                format!("Idempotency-Key: batch {round}\r\nContent-Type: application/x-ndjson\r\n");
            let lines = "{\"task\":\"a\"}\n{\"task\":\"b\"}\n{\"task\":\"c\",\"in\":\"1h\"}\n";
            ("POST /v1/queues/mail/jobs".into(), headers, lines)
        },
        |round, status, _| {
            assert_eq!(status, 200);
            let queue = broker.json(&["queue", "info", "mail"]);
            let stored = (queue["pending"].as_u64(), queue["waiting"].as_u64());
            let round = round as u64;
            assert_eq!(stored, (Some(1 + 2 * round), Some(round)), "{queue}");
        },
    )
    .await;
    assert!(deaths >= 2, "{deaths}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_killed_at_any_step_of_a_schedule_has_changed_it_once_or_not_at_all() {
    let broker = Broker::start();
    let names = || {
        let list = broker.json(&["schedule", "list"]);
        let rows = list.as_array().or_else(|| list["schedules"].as_array()).expect("a list");
        rows.iter().map(|row| row["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    let deaths = kill_after_each_message(
        &broker,
        |round| {
            let body = r#"{"cron":"0 3 * * *","queue":"mail","job":{"task":"email.send"}}"#;
            (format!("PUT /v1/schedules/nightly-{round:02}"), String::new(), body)
        },
        |round, status, answer| {
            assert!(matches!(status, 200 | 201), "{status}: {answer}");
            let expected: Vec<_> = (1..=round).map(|n| format!("nightly-{n:02}")).collect();
            assert_eq!(names(), expected, "{answer}");
        },
    )
    .await;
    assert!(deaths >= 2, "{deaths}");
    let all = names().len();
    let deaths = kill_after_each_message(
        &broker,
        |round| (format!("DELETE /v1/schedules/nightly-{round:02}"), String::new(), ""),
        |round, status, answer| {
            // 404: the gateway that was killed had removed it, or there were fewer schedules than rounds.
            assert!(matches!(status, 200 | 204 | 404), "{status}: {answer}");
            assert_eq!(names().len(), all.saturating_sub(round), "{answer}");
        },
    )
    .await;
    assert!(deaths >= 1, "{deaths}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_killed_at_any_step_of_an_act_leaves_an_act_that_can_be_finished() {
    let broker = Broker::start();
    for (act, ends) in [("cancel", "cancelled"), ("retry-now", "pending")] {
        let deaths = kill_after_each_message(
            &broker,
            |round| {
                let id = format!("{act}-{round}");
                broker.enqueue(&["email.send", "--queue", "mail", "--id", &id, "--in", "1h"]);
                (format!("POST /v1/jobs/mail/{id}/{act}"), String::new(), "{}")
            },
            |round, status, answer| {
                // 409: the gateway that was killed had done it.
                assert!(matches!(status, 200 | 409), "{act}: {status}: {answer}");
                assert_eq!(state(&broker, &format!("{act}-{round}")), ends, "{act}: {answer}");
            },
        )
        .await;
        assert!(deaths >= 2, "{act}: {deaths}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_killed_at_any_step_of_a_requeue_starts_one_life() {
    let broker = Broker::start();
    let deaths = kill_after_each_message(
        &broker,
        |round| {
            let id = format!("dead-{round}");
            let worker = broker.worker(&["default"]);
            broker.enqueue(&["refuse", "--args", "\"no\"", "--id", &id]);
            assert_eq!(broker.watch(&id).code, 1);
            drop(worker);
            (format!("POST /v1/dead-letters/default/{id}/requeue"), String::new(), "{}")
        },
        |round, status, answer| {
            assert!(matches!(status, 200 | 404 | 409), "{status}: {answer}");
            let id = format!("dead-{round}");
            assert_eq!(state(&broker, &id), "pending", "{answer}");
            let letters = broker.json(&["dlq", "list"]);
            assert_eq!(letters.as_array().map(Vec::len), Some(0), "{letters}");
            let pending = broker.json(&["queue", "info", "default"]);
            assert_eq!(pending["pending"], 1, "{pending}");
            // The next round's worker must not run it.
            broker.naq(&["job", "cancel", &id]).ok();
        },
    )
    .await;
    assert!(deaths >= 2, "{deaths}");
}
