//! `naq gateway`: what it refuses, its keys, and how it waits for a broker.

use std::io::{Read, Write};
use std::net::TcpStream;

use naq_testing::{ChaosProxy, ChildProcess, NatsConnection, eventually};

use crate::run::{Broker, PATIENCE, finish, naq, offline};

/// A gateway, and the address that it printed.
pub(crate) async fn gateway(url: &str, args: &[&str]) -> (ChildProcess, String) {
    let mut command = naq();
    command.env("NAQ_NATS_URL", url).args(["gateway", "--port", "0"]).args(args);
    let mut child = ChildProcess::spawn(command).expect("starts");
    child.wait_for_output("gateway at http://", PATIENCE).await.expect("says where it is");
    let said = child.stdout();
    let (_, rest) = said.split_once("gateway at http://").expect("an address");
    (child, rest.lines().next().unwrap_or_default().to_owned())
}

/// Sends a request on a connection of its own. The body is JSON unless `headers` says another type.
pub(crate) fn send(
    address: &str,
    head: &str,
    headers: &str,
    body: &str,
) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    let content = match headers.contains("Content-Type:") {
        true => "",
        false => "Content-Type: application/json\r\n",
    };
    write!(
        stream,
        "{head} HTTP/1.1\r\nHost: {address}\r\n{headers}{content}Content-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )?;
    Ok(stream)
}

/// The status and the body of an answer.
pub(crate) fn call(address: &str, head: &str, headers: &str, body: &str) -> (u16, String) {
    let mut answer = String::new();
    let mut stream = send(address, head, headers, body).expect("a connection");
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    (status.unwrap_or_else(|| panic!("{answer}")), body.expect("a body"))
}

#[test]
fn without_keys_it_listens_on_this_machine_only() {
    let ran = offline(&["gateway", "--host", "0.0.0.0"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("naq gateway key add"), "{ran:?}");
    let ran = offline(&["gateway", "--keys", "no-such-file"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("no-such-file"), "{ran:?}");
}

#[test]
fn keys_are_added_listed_and_removed() {
    let folder = tempfile::tempdir().expect("a directory");
    let key = |args: &[&str]| {
        finish(
            naq().current_dir(&folder).args(["gateway", "key"]).args(args).args(["--keys", "keys"]),
        )
    };
    let secret = key(&["add", "web", "--queues", "mail", "--rate", "50"]).ok().line().to_owned();
    assert!(secret.starts_with("naqk_"), "{secret}");
    key(&["add", "ops", "--operate"]).ok();
    let file = std::fs::read_to_string(folder.path().join("keys")).expect("a file");
    assert!(!file.contains(&secret[5..]), "the secret is not stored: {file}");
    assert_eq!(key(&["add", "web"]).code, 2, "the name is taken");
    assert_eq!(key(&["add", "a b"]).code, 2, "no name");
    let listed = key(&["list", "-o", "json"]).ok().json();
    assert_eq!(listed[0]["queues"], "mail", "{listed}");
    assert_eq!((&listed[0]["rate"], &listed[1]["may"]), (&50.into(), &"operate".into()));
    key(&["remove", "web"]).ok();
    assert_eq!(key(&["remove", "web"]).code, 3);
    assert_eq!(key(&["list", "-o", "json"]).ok().json().as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn it_waits_for_a_broker_takes_new_keys_and_ends_with_its_running_requests() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("keys").to_string_lossy().into_owned();
    let secret = finish(naq().args(["gateway", "key", "add", "web", "--keys", &file])).ok();
    let bearer = format!("Authorization: Bearer {}\r\n", secret.line());
    let (mut waiting, address) = gateway("nats://127.0.0.1:1", &["--keys", &file]).await;
    let (status, problem) = call(&address, "POST /v1/queues/mail/jobs", &bearer, "{}");
    assert_eq!(status, 503, "{problem}");
    assert!(problem.contains("broker-unavailable"), "{problem}");
    assert_eq!(call(&address, "GET /healthz", "", "").0, 200);
    waiting.terminate().expect("a signal");
    assert_eq!(waiting.wait(PATIENCE).await.expect("ends").code(), Some(0));

    let broker = Broker::start();
    let (mut child, address) = gateway(&broker.server.url(), &["--keys", &file]).await;
    eventually("the gateway is ready", PATIENCE, async || {
        let (status, body) = call(&address, "GET /readyz", "", "");
        if status == 200 { Ok(()) } else { Err(body) }
    })
    .await;
    let job = r#"{"task":"email.send","id":"a"}"#;
    assert_eq!(call(&address, "POST /v1/queues/mail/jobs", &bearer, job).0, 201);
    assert_eq!(call(&address, "GET /metrics", &bearer, "").0, 403, "the key may not operate");
    let ops =
        finish(naq().args(["gateway", "key", "add", "ops", "--operate", "--keys", &file])).ok();
    let ops = format!("Authorization: Bearer {}\r\n", ops.line());
    let metrics = eventually("the new key is taken", PATIENCE, async || {
        match call(&address, "GET /metrics", &ops, "") {
            (200, metrics) => Ok(metrics),
            (status, body) => Err(format!("{status}: {body}")),
        }
    })
    .await;
    let counted = r#"naq_gateway_requests_total{route="/v1/queues/{queue}/jobs",status="201"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
    assert!(child.stderr().contains("/v1/queues/mail/jobs"), "the log line: {}", child.stderr());
    assert!(!child.stderr().contains("naqk_"), "no key is logged");

    // The request runs when the broker answers what the gateway asks for it.
    let mut look_ups = NatsConnection::connect(&broker.server.address(), "").expect("connects");
    look_ups.send("SUB _INBOX.> 1\r\n").expect("sent");
    assert_eq!(look_ups.ping().expect("an answer"), "PONG");
    let mut waits = send(&address, "GET /v1/jobs/mail/a?wait=60s", &bearer, "").expect("sent");
    while !look_ups.line().expect("a look-up").contains("naq.q.mail.a") {}
    child.terminate().expect("a signal");
    let mut answer = String::new();
    waits.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains(r#""state":"pending""#), "{answer}");
    assert_eq!(child.wait(PATIENCE).await.expect("ends").code(), Some(0), "{}", child.stderr());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_is_answered_also_while_the_gateway_finds_its_broker() {
    let broker = Broker::start();
    let link = ChaosProxy::start(broker.server.address()).await.expect("a proxy");
    link.refuse();
    let (_child, address) = gateway(&link.url(), &[]).await;
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let address = address.clone();
            std::thread::spawn(move || {
                let statuses = std::iter::repeat_with(|| call(&address, "GET /readyz", "", "").0);
                // `call` panics without an answer.
                statuses.take_while(|status| *status == 503).count()
            })
        })
        .collect();
    link.heal();
    for caller in callers {
        tokio::task::spawn_blocking(|| caller.join().expect("answers")).await.expect("no panic");
    }
}
