//! Services that answer one POST an attempt.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq_core::JobState;
use naq_worker::testing::Harness;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::kit::{enqueue, run, worker};

/// A service that gives one answer to every request, and then hangs up.
struct Service {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Service {
    async fn answering(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/naq", listener.local_addr().expect("bound"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read_request(&mut stream).await;
                seen.lock().expect("a lock").push(request);
                stream.write_all(answer.as_bytes()).await.expect("written");
            }
        });
        Self { url, requests }
    }

    fn worker(&self) -> Harness {
        self.worker_with("")
    }

    fn worker_with(&self, more: &str) -> Harness {
        worker(&format!("[tasks.t]\nhttp = {:?}\n{more}\n", self.url))
    }

    fn request(&self) -> String {
        self.requests.lock().expect("a lock").last().cloned().expect("a request")
    }
}

/// Head and body of one request.
async fn read_request(stream: &mut TcpStream) -> String {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().expect("a length")) {
                return text;
            }
        }
        match stream.read(&mut piece).await.expect("read") {
            0 => return text,
            read => bytes.extend_from_slice(&piece[..read]),
        }
    }
}

#[tokio::test]
async fn the_request_names_the_task_in_its_path_and_the_job_in_body_and_headers() {
    let service = Service::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let job = run(&service.worker()).await;
    assert_eq!(job.result::<Value>(), Value::Null);
    let request = service.request();
    let (head, body) = request.split_once("\r\n\r\n").expect("a request");
    assert!(head.starts_with("POST /naq/t HTTP/1.1\r\n"), "{head}");
    let body: Value = serde_json::from_str(body).expect("json");
    assert_eq!((&body["v"], &body["args"]), (&json!(1), &json!({"to": "ä"})));
    let id = body["id"].as_str().expect("an id");
    for header in [
        format!("naq-job-id: {id}"),
        format!("idempotency-key: {id}"),
        "naq-attempt: 1".to_owned(),
        "content-type: application/json".to_owned(),
    ] {
        assert!(head.contains(&header), "{header} is not in {head}");
    }
    assert!(!head.contains("naq-signature"), "{head}");
}

#[tokio::test]
async fn a_plain_body_is_the_result() {
    for (answer, result) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{\"n\":1.5}",
            json!({"n": 1.5}),
        ),
        (
            "HTTP/1.1 201 Created\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok",
            json!("ok"),
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Value::Null),
    ] {
        let service = Service::answering(answer).await;
        assert_eq!(run(&service.worker()).await.result::<Value>(), result);
    }
}

#[tokio::test]
async fn a_stream_of_lines_has_progress_and_an_end() {
    let service = Service::answering(
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\n\r\n\
         {\"progress\":{\"done\":1,\"total\":2}}\n{\"news\":1}\n\n{\"result\":[1,2]}",
    )
    .await;
    assert_eq!(run(&service.worker()).await.result::<Value>(), json!([1, 2]));
}

#[tokio::test]
async fn a_status_is_a_failure_with_its_kind_and_advice() {
    let busy = "HTTP/1.1 429 Slow\r\nretry-after: 7\r\ncontent-length: 4\r\n\r\nslow";
    let job = run(&Service::answering(busy).await.worker()).await;
    job.assert_failed("HTTPError.429").assert_retries_in(Duration::from_secs(7));
    let wrong = "HTTP/1.1 422 No\r\ncontent-length: 0\r\n\r\n";
    run(&Service::answering(wrong).await.worker()).await.assert_dead("HTTPError.422");
    let service = Service::answering(wrong).await;
    let job = run(&service.worker_with("statuses = { 422 = \"policy\" }")).await;
    job.assert_state(JobState::Retrying);
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let answer = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let service = Service::answering(answer).await;
    let job = run(&service.worker()).await;
    job.assert_state(JobState::Retrying).assert_failed("HTTPError.302");
    assert_eq!(service.requests.lock().expect("a lock").len(), 1);
}

#[tokio::test]
async fn a_hang_up_before_the_answer_is_a_crash() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\n\r\n{\"progress\":{\"done\":1}}\n{\"resu",
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n",
    ] {
        let job = run(&Service::answering(answer).await.worker()).await;
        job.assert_failed("Crash").assert_attempts(0);
    }
}

#[tokio::test]
async fn a_service_that_does_not_listen_is_waited_for_without_an_attempt() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let harness = worker(&format!("[tasks.t]\nhttp = {url:?}\n"));
    let job = run(&harness).await;
    job.assert_retries_in(Duration::from_secs(5)).assert_attempts(0);
}

#[tokio::test]
async fn a_timeout_closes_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let closed = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        read_request(&mut stream).await;
        stream.read(&mut [0; 16]).await
    });
    let harness = worker(&format!("[tasks.t]\nhttp = {url:?}\ntimeout = \"200ms\"\n"));
    run(&harness).await.assert_failed("TimeoutError");
    assert_eq!(closed.await.expect("a task").ok(), Some(0));
}

#[tokio::test]
async fn a_unix_socket_serves_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("app.sock");
    let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.expect("a request");
        assert!(piece[..read].starts_with(b"POST /jobs/t "));
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        stream.write_all(answer).await.expect("written");
    });
    let harness = worker(&format!("[tasks.t]\nhttp = \"unix:{}:/jobs\"\n", path.display()));
    assert_eq!(run(&harness).await.result::<String>(), "ok");
}

#[tokio::test]
async fn requests_are_signed_with_each_key() {
    let service = Service::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let dir = tempfile::tempdir().expect("a directory");
    let keys = dir.path().join("keys");
    std::fs::write(&keys, "0123456789abcdef,fedcba9876543210\n").expect("write");
    let file = format!("keys_file = {keys:?}\n[tasks.t]\nhttp = {:?}\n", service.url);
    run(&worker(&file)).await.assert_completed();
    let request = service.request();
    let signature = request.lines().find_map(|line| line.strip_prefix("naq-signature: "));
    assert_eq!(signature.expect("signed").matches("v1=").count(), 2);
}

#[tokio::test]
async fn a_task_name_stays_one_segment() {
    let service = Service::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let harness = worker(&format!("[tasks.\"mail.send_now-2\"]\nhttp = {:?}\n", service.url));
    let job = harness.client().enqueue_task("mail.send_now-2", &json!(1)).expect("a task");
    let job = job.await.expect("stored");
    harness.drain().await;
    harness.job(&job).assert_completed();
    assert!(service.request().starts_with("POST /naq/mail.send_now-2 "), "{}", service.request());
    let other = enqueue(&harness, json!(1)).await;
    harness.drain().await;
    harness.job(&other).assert_failed("UnknownTask");
}
