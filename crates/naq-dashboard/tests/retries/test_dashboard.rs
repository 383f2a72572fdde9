//! A dashboard on an in-memory broker, with a clock that tests move.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use naq_client::{AuditEntry, AuditQuery, Batch, Client};
use naq_core::retry::Rule;
use naq_core::stats::{Ending, Observation, ObservedError, Run, Tally};
use naq_core::testing::ManualClock;
use naq_core::transport::{Consumer, Fact, Lookup, Settler, StatsStore, Stored};
use naq_core::wire::{AttemptOutcome, AttemptRecord};
use naq_core::{Clock, DeadLetter, ErrorKind, JobId, QueueName, TaskName, WorkerId};
use naq_dashboard::{Dashboard, Options};
use naq_memory::MemoryTransport;
use naq_testing::eventually;
use serde_json::Value;
use tower::ServiceExt;

const SOON: Duration = Duration::from_secs(20);

pub(crate) struct TestDashboard {
    pub(crate) clock: ManualClock,
    pub(crate) broker: MemoryTransport,
    pub(crate) client: Client,
    router: Router,
    tally: Tally,
}

/// How an attempt ends.
#[derive(Clone, Copy)]
pub(crate) enum End {
    Ok,
    /// Retried after this many seconds.
    Retried(u64),
    Dead,
}

pub(crate) fn queue(name: &str) -> QueueName {
    QueueName::new(name).unwrap()
}

pub(crate) fn task(name: &str) -> TaskName {
    TaskName::new(name).unwrap()
}

impl TestDashboard {
    pub(crate) fn open() -> Self {
        let clock = ManualClock::new();
        let broker = MemoryTransport::with_timer(Arc::new(clock.clone()));
        let client = Client::new(Arc::new(broker.clone())).clock(Arc::new(clock.clone()));
        let mut options = Options::default();
        options.interval = Duration::from_millis(5);
        let router = Dashboard::new(client.clone(), options).unwrap().router();
        Self { clock, broker, client, router, tally: Tally::default() }
    }

    pub(crate) async fn get(&self, path: &str) -> String {
        let request = Request::get(path).header(header::HOST, "localhost").body(Body::empty());
        let answer = self.router.clone().oneshot(request.unwrap()).await.unwrap();
        let status = answer.status();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    /// Waits until the page contains all of `wanted`.
    pub(crate) async fn page(&self, path: &str, wanted: &[&str]) -> String {
        let what = format!("{path} shows {wanted:?}");
        let html = eventually(&what, SOON, async || {
            let html = self.get(path).await;
            wanted.iter().all(|wanted| html.contains(wanted)).then_some(html)
        });
        html.await
    }

    /// Sends an action, and returns its reply or its problem.
    pub(crate) async fn act(&self, path: &str, fields: &[(&str, &str)]) -> Result<Value, String> {
        let encode =
            |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
        let pairs: Vec<_> =
            fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let request = Request::post(format!("/act/{path}"))
            .header(header::HOST, "localhost")
            .header("sec-fetch-site", "same-origin")
            .header("x-naq-action", "1")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(pairs.join("&")));
        let answer = self.router.clone().oneshot(request.unwrap()).await.unwrap();
        let ok = answer.status().is_success();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let reply: Value = serde_json::from_slice(&body)
            .unwrap_or_else(|_| panic!("{path}: {}", String::from_utf8_lossy(&body)));
        if ok { Ok(reply) } else { Err(reply["problem"].as_str().unwrap().to_owned()) }
    }

    /// Counts an attempt as a worker does.
    pub(crate) fn attempt(
        &mut self,
        task_name: &str,
        attempt: u32,
        end: End,
        error: (&ErrorKind, &str),
    ) {
        let now = self.clock.now();
        let task = task(task_name);
        let queue = queue("mail");
        let (ending, rule) = match end {
            End::Ok => (Ending::Completed, Rule::Succeeded),
            End::Retried(after) => {
                let delay = Duration::from_secs(after);
                (Ending::Retried { delay, due_at: now + delay }, Rule::Strategy)
            }
            End::Dead => (Ending::Dead, Rule::MaxRetries),
        };
        let error = ObservedError { kind: error.0, message: error.1, rule };
        let ready_at = now.saturating_sub(Duration::from_millis(40));
        let seen = Observation {
            queue: &queue,
            task: Some(&task),
            job: &JobId::random(),
            attempt,
            crashes: 0,
            run: Some(Run { started_at: now, ended_at: now, ready_at, was_due: attempt > 1 }),
            ending,
            error: (!matches!(end, End::Ok)).then_some(error),
        };
        self.tally.record(&seen, now);
    }

    /// Counts a job whose attempts before the last one fail, and whose last attempt ends as `end`.
    pub(crate) fn job(&mut self, task: &str, attempts: u32, end: End) {
        for attempt in 1..attempts {
            self.attempt(task, attempt, End::Retried(1), (&ErrorKind::TIMEOUT, "no answer in 7 s"));
        }
        self.attempt(task, attempts, end, (&ErrorKind::TIMEOUT, "no answer in 8 s"));
    }

    /// Writes the counted attempts as a worker does.
    pub(crate) async fn report_stats(&mut self) {
        let worker = WorkerId::new("w1").unwrap();
        for it in self.tally.unwritten(&worker, "1.2.3", self.clock.now()) {
            self.broker.stats_put(&it.report).await.unwrap();
            self.tally.written(&it);
        }
    }

    /// Makes dead letters of this task with this error.
    pub(crate) async fn die(&self, name: &str, count: usize, kind: &ErrorKind, message: &str) {
        for n in 0..count {
            let id = format!("{}-{}-{n}", name.replace('.', "-"), kind.as_str().replace('.', "-"));
            let job = self.client.enqueue_task(name, &[n]).unwrap();
            job.queue(queue("mail")).id(id).await.unwrap();
        }
        let mut sub = self.broker.subscribe(&queue("mail"), Duration::from_secs(10)).await.unwrap();
        let fetched = sub.fetch(count, Duration::from_millis(1));
        let (fetched, ()) = tokio::join!(fetched, self.clock.advance(Duration::from_millis(2)));
        for delivery in fetched.unwrap() {
            let letter = DeadLetter {
                step: delivery.step(),
                task: Some(task(name)),
                error_kind: kind.clone(),
                message: message.into(),
                rule: Rule::MaxRetries,
                reason: "its attempts are used up".into(),
                died_at: self.clock.now(),
                content_type: None,
                body: delivery.stored.message.body.clone(),
            };
            self.broker.write(&Fact::dead(&delivery.stored, &letter)).await.unwrap();
            delivery.handle.ack().await.unwrap();
        }
    }

    /// Makes the job `id` fail and wait for its next attempt; other jobs stay pending.
    pub(crate) async fn retry_once(&self, id: &str) {
        let mut sub = self.broker.subscribe(&queue("mail"), Duration::from_secs(10)).await.unwrap();
        let fetched = sub.fetch(100, Duration::from_millis(1));
        let (fetched, ()) = tokio::join!(fetched, self.clock.advance(Duration::from_millis(2)));
        for delivery in fetched.unwrap().into_iter().filter(|it| it.stored.key.id.as_str() == id) {
            let mut next = delivery.stored.envelope().unwrap();
            let mut failed = AttemptRecord::new(next.attempt, AttemptOutcome::Failed);
            failed.error_kind = Some(ErrorKind::TIMEOUT);
            next.record(failed);
            next.attempt += 1;
            let due_at = self.clock.now() + Duration::from_secs(60);
            let fact = Fact::retry(&delivery.stored, &next, due_at).unwrap();
            self.broker.write(&fact).await.unwrap();
            delivery.handle.ack().await.unwrap();
        }
    }

    /// A breaker holds these jobs back, as a worker does it; other jobs stay pending.
    pub(crate) async fn hold_back(&self, ids: &[&str], breaker: &str) {
        let mut sub = self.broker.subscribe(&queue("mail"), Duration::from_secs(10)).await.unwrap();
        let fetched = sub.fetch(100, Duration::from_millis(1));
        let (fetched, ()) = tokio::join!(fetched, self.clock.advance(Duration::from_millis(2)));
        let now = self.clock.now();
        for delivery in fetched.unwrap() {
            if !ids.contains(&delivery.stored.key.id.as_str()) {
                continue;
            }
            let mut next = delivery.stored.envelope().unwrap();
            let mut held = AttemptRecord::new(next.attempt, AttemptOutcome::HeldBack);
            held.rule = Some(Rule::Breaker);
            held.reason = Some(format!("breaker {breaker} is open"));
            (held.held_by, held.held_since) = (Some(breaker.to_owned()), Some(now));
            next.record(held);
            next.snoozes += 1;
            let due_at = now + Duration::from_secs(60);
            self.broker
                .write(&Fact::retry(&delivery.stored, &next, due_at).unwrap())
                .await
                .unwrap();
            delivery.handle.ack().await.unwrap();
        }
    }

    /// All dead letters, sorted by job.
    pub(crate) async fn letters(&self) -> Vec<Stored> {
        let mut letters = self.broker.dead_letters(None, 0, 1_000).await.unwrap().letters;
        letters.sort_by(|a, b| a.key.cmp(&b.key));
        letters
    }

    /// The waiting jobs, soonest first.
    pub(crate) async fn waiting(&self) -> Vec<Stored> {
        let page = self.broker.waiting_jobs(&queue("mail"), 0, 1_000).await.unwrap();
        let mut jobs = page.jobs;
        jobs.sort_by_key(|job| job.due_at);
        jobs
    }

    /// Waits until the newest batch has ended.
    pub(crate) async fn ended_batch(&self) -> Batch {
        eventually("a batch has ended", SOON, async || {
            let newest = self.client.batches().await.unwrap().into_iter().next()?;
            let has_ended = newest.state != naq_client::BatchState::Running;
            has_ended.then_some(newest)
        })
        .await
    }

    pub(crate) async fn audit(&self) -> Vec<AuditEntry> {
        self.client.audit_log(&AuditQuery::default()).await.unwrap().entries
    }
}

/// The table row with this attribute.
pub(crate) fn row<'a>(html: &'a str, attribute: &str) -> &'a str {
    let (_, after) =
        html.split_once(attribute).unwrap_or_else(|| panic!("no {attribute} in {html}"));
    after.split_once("</tr>").unwrap().0
}

/// The number with this name in the HTML.
pub(crate) fn number(html: &str, name: &str) -> u64 {
    let mark = format!("data-n=\"{name}\" data-value=\"");
    let (_, after) = html.split_once(&mark).unwrap_or_else(|| panic!("no {name} in {html}"));
    after.split_once('"').unwrap().0.parse().unwrap()
}

/// The value of a hidden field in a preview.
pub(crate) fn field(html: &str, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let (_, after) = html.split_once(&mark).unwrap_or_else(|| panic!("no {name} in {html}"));
    text(after.split_once('"').unwrap().0)
}

/// The text without HTML escapes.
pub(crate) fn text(html: &str) -> String {
    html.replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#38;", "&")
}
