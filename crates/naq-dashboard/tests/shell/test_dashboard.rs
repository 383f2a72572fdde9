//! A dashboard on an in-memory broker that tests can cut off, with a clock that tests move.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use naq_client::Client;
use naq_core::stats::Tally;
use naq_core::testing::{FaultPlan, FaultyTransport, ManualClock};
use naq_core::transport::{StatsStore, Transport};
use naq_core::{Clock, QueueName, TaskName, WorkerId};
use naq_dashboard::{Dashboard, Options};
use naq_memory::MemoryTransport;
use naq_testing::eventually;
use serde_json::Value;
use tower::ServiceExt;

pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) struct TestDashboard {
    pub(crate) clock: ManualClock,
    pub(crate) broker: MemoryTransport,
    pub(crate) faulty: Arc<FaultyTransport<MemoryTransport>>,
    pub(crate) client: Client,
    pub(crate) router: Router,
    pub(crate) tally: Tally,
}

pub(crate) fn queue(name: &str) -> QueueName {
    QueueName::new(name).unwrap()
}

pub(crate) fn task(name: &str) -> TaskName {
    TaskName::new(name).unwrap()
}

impl TestDashboard {
    pub(crate) fn open(set: impl FnOnce(&mut Options)) -> Self {
        let clock = ManualClock::new();
        let broker = MemoryTransport::with_timer(Arc::new(clock.clone()));
        let faulty = Arc::new(FaultyTransport::new(broker.clone(), FaultPlan::new()));
        let transport: Arc<dyn Transport> = faulty.clone();
        let client = Client::new(transport).clock(Arc::new(clock.clone()));
        let mut options = Options::default();
        options.interval = Duration::from_millis(5);
        set(&mut options);
        let router = Dashboard::new(client.clone(), options).unwrap().router();
        Self { clock, broker, faulty, client, router, tally: Tally::default() }
    }

    pub(crate) async fn ask(&self, path: &str) -> Response {
        let request = Request::get(path).header(header::HOST, "localhost").body(Body::empty());
        self.router.clone().oneshot(request.unwrap()).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, String) {
        let answer = self.ask(path).await;
        let status = answer.status();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Waits until the page contains all of `wanted`.
    pub(crate) async fn page(&self, path: &str, wanted: &[&str]) -> String {
        eventually(&format!("{path} shows {wanted:?}"), SOON, async || {
            let (_, html) = self.get(path).await;
            match wanted.iter().find(|wanted| !html.contains(**wanted)) {
                None => Ok(html),
                Some(missing) => Err(format!("no {missing} in {html}")),
            }
        })
        .await
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
        let reply: Value = serde_json::from_slice(&body).unwrap();
        if ok { Ok(reply) } else { Err(reply["problem"].as_str().unwrap().to_owned()) }
    }

    pub(crate) async fn enqueue(&self, name: &str, count: usize) {
        for n in 0..count {
            let job = self.client.enqueue_task("email.send", &[n]).unwrap();
            job.queue(queue(name)).await.unwrap();
        }
    }

    /// Writes the counted attempts as a worker does.
    pub(crate) async fn report_stats(&mut self) {
        let worker = WorkerId::new("w1").unwrap();
        for it in self.tally.unwritten(&worker, "1.2.3", self.clock.now()) {
            self.broker.stats_put(&it.report).await.unwrap();
            self.tally.written(&it);
        }
    }
}
