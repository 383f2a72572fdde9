//! A dashboard on an in-memory broker, called without a network; and jobs with a made-up history.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use naq_client::{AuditQuery, Client};
use naq_core::clock::millis;
use naq_core::retry::Rule;
use naq_core::transport::{Fact, JobKey, Place, Stored, Submission, Transport};
use naq_core::wire::AttemptOutcome;
use naq_core::{
    AttemptRecord, Codec, DeadLetter, Envelope, ErrorKind, FinalRecord, JobId, JobState, Payload,
    QueueName, TaskName, Timestamp,
};
use naq_dashboard::{Dashboard, Options};
use naq_memory::MemoryTransport;
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) struct TestDashboard {
    pub(crate) client: Client,
    router: Router,
}

impl TestDashboard {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(set: impl FnOnce(&mut Options)) -> Self {
        Self::over(Arc::new(MemoryTransport::new()), set)
    }

    pub(crate) fn over(transport: Arc<dyn Transport>, set: impl FnOnce(&mut Options)) -> Self {
        Self::of(Client::new(transport), set)
    }

    /// A dashboard of this client, which may have keys.
    pub(crate) fn of(client: Client, set: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::default();
        options.interval = Duration::from_millis(20);
        set(&mut options);
        let dashboard = Dashboard::new(client.clone(), options).expect("valid options");
        Self { client, router: dashboard.router() }
    }

    async fn ask(&self, request: Request<Body>) -> (StatusCode, String) {
        let response = self.router.clone().oneshot(request).await.expect("never fails");
        let status = response.status();
        let body = to_bytes(response.into_body(), 16 << 20).await.expect("a body");
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).header(header::HOST, "localhost");
        self.ask(request.body(Body::empty()).expect("a request")).await
    }

    /// A page that must exist.
    pub(crate) async fn page(&self, path: &str) -> String {
        let (status, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    /// Sends an action as the dashboard's script does, and returns status and reply.
    pub(crate) async fn act(&self, path: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let encode =
            |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let pairs: Vec<_> =
            form.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let request = Request::post(path)
            .header(header::HOST, "localhost")
            .header(header::ORIGIN, "http://localhost")
            .header("x-naq-action", "1")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let (status, body) =
            self.ask(request.body(Body::from(pairs.join("&"))).expect("a request")).await;
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    /// Action, scope and reason of all audit entries, newest first.
    pub(crate) async fn audited(&self) -> Vec<(String, String, String)> {
        let log = self.client.audit_log(&AuditQuery::default()).await.expect("a log");
        log.entries.into_iter().map(|entry| (entry.what, entry.scope, entry.reason)).collect()
    }

    /// Stores a job in the schedule if it has a due time, else in its queue.
    pub(crate) async fn put(&self, job: &Envelope, due_at: Option<Timestamp>) -> Stored {
        let key = JobKey::new(job.queue.clone(), job.id.clone());
        let message = job.to_message().expect("writes");
        let dedup = job.id.to_string();
        let submission = Submission { key: key.clone(), due_at, dedup, unique: false, message };
        self.client.transport().publish(submission).await.expect("is taken");
        let stored = self.client.transport().locate(&key).await.expect("is found");
        stored.into_iter().next().expect("is there")
    }

    /// Completes a job as a worker does: it stores the record, then it removes the message.
    pub(crate) async fn complete(&self, job: Envelope, result: &Value) {
        let stored = self.put(&job, None).await;
        let result = Some(Payload::encode(job.codec, result).expect("writes"));
        let finished_at = self.client.now();
        let record = FinalRecord { envelope: job, state: JobState::Completed, finished_at, result };
        let fact = Fact::record(&stored, &record).expect("writes").expect("is wanted");
        self.client.transport().write(&fact).await.expect("is written");
        self.client.transport().remove(&stored).await.expect("is removed");
    }

    /// Stores a job as a dead letter.
    pub(crate) async fn kill(&self, job: Envelope, kind: ErrorKind, message: &str) {
        let stored = self.put(&job, None).await;
        let letter = DeadLetter {
            step: stored.step(),
            task: Some(job.task.clone()),
            error_kind: kind,
            message: message.into(),
            rule: Rule::MaxRetries,
            reason: "attempt 3 of 3 failed, and no retry is left".into(),
            died_at: self.client.now(),
            content_type: Some(job.codec.content_type().into()),
            body: job.encode().expect("writes"),
        };
        self.client.transport().write(&Fact::dead(&stored, &letter)).await.expect("is written");
        self.client.transport().remove(&stored).await.expect("is removed");
    }

    pub(crate) async fn state(&self, key: &str) -> JobState {
        let key: JobKey = key.parse().expect("a key");
        self.client.report(&key).await.expect("a job").state
    }

    pub(crate) async fn is_stored_in(&self, key: &str, place: Place) -> bool {
        let key: JobKey = key.parse().expect("a key");
        let found = self.client.transport().locate(&key).await.expect("is found");
        found.iter().any(|stored| stored.place == place)
    }
}

pub(crate) fn queue(name: &str) -> QueueName {
    QueueName::new(name).expect("a queue")
}

/// A job without history.
pub(crate) fn job(queue_name: &str, id: &str, task: &str, now: Timestamp) -> Envelope {
    let args = Payload::encode(Codec::Json, &json!({"to": "ann@example.com"})).expect("writes");
    let id = JobId::new(id).expect("an id");
    let task = TaskName::new(task).expect("a task");
    Envelope::new(queue(queue_name), id, task, args, now)
}

/// A failed attempt that ended `ago` before `now` and took 80 ms.
pub(crate) fn failed(
    attempt: u32,
    now: Timestamp,
    ago: Duration,
    error: (ErrorKind, &str),
    delay: Duration,
) -> AttemptRecord {
    let mut record = AttemptRecord::new(attempt, AttemptOutcome::Failed);
    let ended = now.saturating_sub(ago);
    record.started_at = Some(ended.saturating_sub(Duration::from_millis(80)));
    record.ended_at = Some(ended);
    record.worker = "mailer-1".parse().ok();
    record.error_kind = Some(error.0);
    record.message = Some(error.1.to_owned());
    record.decision = Some("retry".into());
    record.rule = Some(Rule::Strategy);
    record.reason = Some(format!("attempt {attempt} failed: retry {attempt} in {delay:?}"));
    record.delay_ms = Some(millis(delay));
    record
}
