//! `--otlp-endpoint`: spans arrive at a collector, and jobs run even if the collector cannot be reached.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::run::{Broker, PATIENCE, finish, naq};

/// A collector that stores the spans that it receives.
struct Collector {
    endpoint: String,
    requests: Arc<Mutex<Vec<Value>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::<Mutex<Vec<Value>>>::default();
        let kept = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.expect("a connection");
                let request = body(&stream);
                kept.lock().expect("no panic").push(request);
                // Stored first: the sender may end as soon as it has the answer, and then the test reads.
                answer(&stream);
            }
        });
        Self { endpoint, requests }
    }

    /// All spans received so far.
    fn spans(&self) -> Vec<Value> {
        let requests = self.requests.lock().expect("no panic");
        let resources = requests.iter().flat_map(|request| list(&request["resourceSpans"]));
        let scopes = resources.flat_map(|resource| list(&resource["scopeSpans"]));
        scopes.flat_map(|scope| list(&scope["spans"])).collect()
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// Reads a request, and returns its body.
fn body(stream: &TcpStream) -> Value {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).expect("a request");
    assert!(line.starts_with("POST /v1/traces HTTP/1.1"), "{line}");
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).expect("a header");
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    serde_json::from_slice(&body).expect("JSON")
}

fn answer(mut stream: &TcpStream) {
    let text = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    stream.write_all(text).expect("an answer");
}

fn attribute(span: &Value, key: &str) -> Value {
    let found = list(&span["attributes"]).into_iter().find(|it| it["key"] == key);
    found.map(|it| it["value"].clone()).unwrap_or_default()
}

#[tokio::test]
async fn the_spans_of_a_job_arrive_at_the_collector() {
    let (broker, collector) = (Broker::start(), Collector::start());
    let mut worker = broker.worker(&["--otlp-endpoint", &collector.endpoint]);
    let mut enqueue = naq();
    enqueue.env("NAQ_NATS_URL", broker.server.url());
    enqueue.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint);
    enqueue.args(["enqueue", "flaky", "--args", "2", "--retry-delay", "100ms"]);
    let id = finish(&mut enqueue).ok().line().to_owned();
    assert_eq!(broker.watch(&id).code, 0);
    worker.terminate().expect("a signal");
    assert_eq!(worker.wait(PATIENCE).await.expect("ends").code(), Some(0), "{}", worker.stderr());
    let spans = collector.spans();
    let of = |name| spans.iter().filter(|span| span["name"] == name).collect::<Vec<_>>();
    let (sent, attempts) = (of("send default"), of("process default"));
    assert_eq!((sent.len(), attempts.len(), spans.len()), (1, 3, 4), "{spans:#?}");
    for (number, span) in (1..).zip(attempts) {
        assert_eq!(attribute(span, "naq.job_id")["stringValue"], *id);
        assert_eq!(attribute(span, "naq.attempt")["intValue"], number.to_string());
        assert_eq!(span["links"][0]["spanId"], sent[0]["spanId"], "{span:#}");
        assert_eq!(span["links"][0]["traceId"], sent[0]["traceId"]);
    }
}

#[tokio::test]
async fn an_unreachable_collector_is_logged_once_and_no_job_fails() {
    let broker = Broker::start();
    let nowhere = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}", listener.local_addr().expect("an address"))
    };
    let mut worker = broker.worker(&["--otlp-endpoint", &nowhere]);
    let id = broker.enqueue(&["greet"]);
    assert_eq!(broker.watch(&id).code, 0);
    worker.terminate().expect("a signal");
    assert_eq!(worker.wait(PATIENCE).await.expect("ends").code(), Some(0));
    let log = worker.stderr();
    assert_eq!(log.matches("cannot send traces to").count(), 1, "{log}");
}

#[test]
fn an_https_endpoint_is_a_usage_error() {
    let ran = finish(naq().args(["workers", "--otlp-endpoint", "https://example.com"]));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("only http://"), "{ran:?}");
}
