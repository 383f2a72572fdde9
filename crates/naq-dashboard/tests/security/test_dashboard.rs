//! A dashboard on an in-memory broker, for requests of any shape.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use naq_client::Client;
use naq_dashboard::{Dashboard, Options};
use naq_memory::MemoryTransport;
use naq_testing::eventually;
use tower::ServiceExt;

pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) struct TestDashboard {
    pub(crate) broker: MemoryTransport,
    pub(crate) client: Client,
    router: Router,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl TestDashboard {
    pub(crate) fn open(set: impl FnOnce(&mut Options)) -> Self {
        let broker = MemoryTransport::new();
        let client = Client::new(Arc::new(broker.clone()));
        let mut options = Options::default();
        options.interval = Duration::from_millis(10);
        set(&mut options);
        let router = Dashboard::new(client.clone(), options).unwrap().router();
        Self { broker, client, router }
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let headers = answer.headers().clone();
        let is_stream = headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let body = match is_stream {
            true => String::new(),
            false => {
                let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
                String::from_utf8(body.to_vec()).unwrap()
            }
        };
        Answer { status, headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).header(header::HOST, "localhost:8000");
        self.ask(request.body(Body::empty()).unwrap()).await
    }

    /// Waits until the page contains `wanted`.
    pub(crate) async fn page(&self, path: &str, wanted: &str) -> String {
        eventually(&format!("{path} shows {wanted}"), SOON, async || {
            let body = self.get(path).await.body;
            match body.contains(wanted) {
                true => Ok(body),
                false => Err(body),
            }
        })
        .await
    }
}
