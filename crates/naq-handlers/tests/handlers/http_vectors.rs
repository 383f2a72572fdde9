//! `handler-http.json`: each request and its answer, over a real connection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use naq_core::Timestamp;
use naq_handlers::Keys;
use naq_testing::{differences, vectors};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::kit::worker;
use crate::vector::{naq_toml, report, run_attempt, wrong_end};

#[tokio::test]
async fn each_http_vector_is_what_the_worker_does() {
    let file = vectors("handler-http");
    let all = file["vectors"].as_array().expect("vectors");
    let mut wrong = Vec::new();
    for vector in all {
        let found = check(vector).await;
        if !found.is_empty() {
            wrong.push((vector["name"].to_string(), found));
        }
    }
    report(all.len(), wrong);
}

#[test]
fn each_signature_vector_is_the_header_of_the_worker() {
    let file = vectors("handler-http");
    for vector in file["signatures"].as_array().expect("signatures") {
        let text = |name: &str| vector[name].as_str().expect("a text");
        let keys = Keys::new(text("keys")).expect("keys");
        let now = Timestamp::from_millis(vector["seconds"].as_u64().expect("a number") * 1000);
        let header = keys.sign(now, text("path"), text("body").as_bytes());
        assert_eq!(header, text("header"), "{}", vector["name"]);
    }
}

async fn check(vector: &Value) -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = json!(format!("http://{}/naq", listener.local_addr().expect("bound")));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let answer = vector["answer"].clone();
    let service = match answer.as_str() {
        Some("refused") => {
            drop(listener);
            None
        }
        _ => Some(tokio::spawn(serve(listener, answer, seen.clone()))),
    };
    let harness = worker(&naq_toml(vector, "http", &url));
    run_attempt(&harness, vector).await;
    if let Some(service) = service {
        service.abort();
    }
    let seen = seen.lock().expect("a lock").clone();
    // Without a connection there is no request.
    let requests: Vec<_> = vector.get("request").cloned().into_iter().collect();
    let mut found: Vec<_> = differences(&json!(requests), &json!(seen))
        .into_iter()
        .map(|found| format!("request{found}"))
        .collect();
    found.extend(wrong_end(&harness, vector).await);
    found
}

/// Gives the same answer to each request, and closes the connection.
async fn serve(listener: TcpListener, answer: Value, seen: Arc<Mutex<Vec<Value>>>) {
    // Connections without an answer stay open.
    let mut open = Vec::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        let request = read_request(&mut stream).await;
        seen.lock().expect("a lock").push(request);
        match answer.as_str() {
            Some("none") => open.push(stream),
            _ => stream.write_all(&reply(&answer)).await.expect("written"),
        }
    }
}

/// The bytes of an answer. One without a status has none: the service hangs up.
fn reply(answer: &Value) -> Vec<u8> {
    let Some(status) = answer["status"].as_u64() else { return Vec::new() };
    let body = answer["body"].as_str().unwrap_or_default();
    let mut headers: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        headers.insert(name, value.as_str().expect("a text").to_owned());
    }
    if !headers.contains_key("transfer-encoding") {
        headers.entry("content-length").or_insert_with(|| body.len().to_string());
    }
    let mut text = format!("HTTP/1.1 {status} Status\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{text}\r\n{body}").into_bytes()
}

/// The request, in the form of a vector.
async fn read_request(stream: &mut TcpStream) -> Value {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(request) = parse(&bytes) {
            return request;
        }
        match stream.read(&mut piece).await.expect("read") {
            0 => panic!("the worker hung up: {}", String::from_utf8_lossy(&bytes)),
            read => bytes.extend_from_slice(&piece[..read]),
        }
    }
}

/// None while a part is missing.
fn parse(bytes: &[u8]) -> Option<Value> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).expect("a head is text");
    let (line, lines) = head.split_once("\r\n").expect("headers");
    let headers: BTreeMap<_, _> = lines
        .split("\r\n")
        .map(|line| line.split_once(": ").expect("a header"))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    let length: usize = headers["content-length"].parse().expect("a length");
    let body = &bytes[end + 4..];
    if body.len() < length {
        return None;
    }
    let mut words = line.split(' ');
    Some(json!({
        "method": words.next(),
        "path": words.next(),
        "headers": headers,
        "body": serde_json::from_slice::<Value>(body).expect("JSON"),
    }))
}
