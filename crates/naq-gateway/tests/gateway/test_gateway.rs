//! A gateway on an in-memory broker, and the part of a worker.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use naq_client::{Client, JobReport, LargeArgs};
use naq_core::retry::Rule;
use naq_core::transport::{Fact, JobKey};
use naq_core::{DeadLetter, ErrorKind, FinalRecord, JobState, Payload, Timer};
use naq_gateway::{ApiKey, ApiKeys, Gateway, Options};
use naq_memory::MemoryTransport;
use serde_json::Value;
use tower::ServiceExt;

pub(crate) struct TestGateway {
    pub(crate) client: Client,
    pub(crate) gateway: Gateway,
    router: Router,
    /// The secret that requests send.
    pub(crate) secret: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The JSON of an answer with this status.
    pub(crate) fn json(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        serde_json::from_str(&self.text).unwrap_or_else(|err| panic!("{err}: {self:?}"))
    }

    /// The name of a problem with this status.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{self:?}");
        let problem = self.json(status);
        assert_eq!(problem["status"], status, "{self:?}");
        let kind = problem["type"].as_str().expect("a type");
        kind.strip_prefix("urn:naq:problem:").expect("a name").to_owned()
    }
}

impl TestGateway {
    /// Without keys.
    pub(crate) fn open() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        Self::of(Client::new(Arc::new(MemoryTransport::new())), options)
    }

    /// On a broker and a client whose clock is `timer`.
    pub(crate) fn at(timer: Arc<dyn Timer>, broker: &MemoryTransport) -> Self {
        Self::of(Client::new(Arc::new(broker.clone())).clock(timer), Options::default())
    }

    pub(crate) fn storing_large_args() -> Self {
        let client = Client::new(Arc::new(MemoryTransport::new()));
        Self::of(client.large_args(LargeArgs::Store), Options::default())
    }

    fn of(client: Client, options: Options) -> Self {
        let gateway = Gateway::new(client.clone(), options);
        Self { client, router: gateway.router(), gateway, secret: None }
    }

    /// With one key, whose rights are the words of `rights`.
    pub(crate) fn keyed(rights: &str) -> Self {
        let mut this = Self::open();
        let (line, secret) = key("web", rights);
        this.gateway.set_keys(line.parse::<ApiKeys>().expect("keys"));
        this.secret = Some(secret);
        this
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header(header::HOST, "localhost:1");
        }
        if let Some(secret) = &self.secret {
            request = request.header(header::AUTHORIZATION, format!("Bearer {secret}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("never fails");
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 64 << 20).await.expect("a body");
        let text = String::from_utf8(body.to_vec()).expect("text");
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Body::empty()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body.to_owned()).await
    }

    /// Enqueues a job to the queue `mail`.
    pub(crate) async fn enqueue(&self, job: &Value) -> Answer {
        self.post("/v1/queues/mail/jobs", &job.to_string()).await
    }

    pub(crate) async fn report(&self, key: &str) -> JobReport {
        let key: JobKey = key.parse().expect("a key");
        self.client.report(&key).await.expect("a job")
    }

    /// Completes a pending job as a worker does.
    pub(crate) async fn complete(&self, key: &str, result: &Value) {
        let stored = self.report(key).await.stored;
        let envelope = stored.envelope().expect("a job");
        let result = Some(Payload::encode(envelope.codec, result).expect("writes"));
        let finished_at = self.client.now();
        let record = FinalRecord { envelope, state: JobState::Completed, finished_at, result };
        let fact = Fact::record(&stored, &record).expect("writes").expect("is wanted");
        self.client.transport().write(&fact).await.expect("is written");
        self.client.transport().remove(&stored).await.expect("is removed");
    }

    /// Stores a pending job as a dead letter.
    pub(crate) async fn kill(&self, key: &str, message: &str) {
        let stored = self.report(key).await.stored;
        let job = stored.envelope().expect("a job");
        let letter = DeadLetter {
            step: stored.step(),
            task: Some(job.task.clone()),
            error_kind: ErrorKind::ERROR,
            message: message.into(),
            rule: Rule::MaxRetries,
            reason: "attempt 1 of 1 failed, and no retry is left".into(),
            died_at: self.client.now(),
            content_type: Some(job.codec.content_type().into()),
            body: job.encode().expect("writes"),
        };
        let fact = Fact::dead(&stored, &letter);
        self.client.transport().write(&fact).await.expect("is written");
        self.client.transport().remove(&stored).await.expect("is removed");
    }
}

/// The line of a key with these rights, and its secret.
pub(crate) fn key(name: &str, rights: &str) -> (String, String) {
    let (key, secret) = ApiKey::generate(name).expect("a key");
    let line = key.to_string();
    let words: Vec<&str> = line.split(' ').take(2).collect();
    (format!("{} {rights}", words.join(" ")), secret)
}
