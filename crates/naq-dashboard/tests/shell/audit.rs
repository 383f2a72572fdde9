//! Each action is audited, also when the visitor closes the tab or the broker does not answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use naq_client::Client;
use naq_core::testing::{Fault, FaultPlan, FaultyTransport, Op};
use naq_core::transport::{Directory, Lookup, WorkerInfo, WorkerStatus};
use naq_core::{Clock, WorkerId};
use naq_dashboard::{Dashboard, Options};
use naq_memory::MemoryTransport;
use naq_testing::eventually;
use tokio::sync::Semaphore;
use tower::ServiceExt;

use crate::test_dashboard::{TestDashboard, queue};

const SOON: Duration = Duration::from_secs(30);
/// More steps than one read of the broker takes.
const PLENTY: usize = 1_000;

#[tokio::test]
async fn an_action_is_audited_even_if_its_visitor_closes_the_tab() {
    let broker = MemoryTransport::new();
    let client = Client::new(Arc::new(broker.clone()));
    client.enqueue_task("email.send", &[1]).unwrap().queue(queue("mail")).await.unwrap();
    let steps = Arc::new(Semaphore::new(PLENTY));
    let transport = FaultyTransport::in_steps(broker.clone(), steps.clone());
    let mut options = Options::default();
    // The dashboard reads the broker once, and then leaves the steps to the action.
    options.interval = Duration::from_secs(3_600);
    let dashboard = Dashboard::new(Client::new(Arc::new(transport)), options).unwrap();
    eventually("the first read", SOON, async || dashboard.ready()).await;
    steps.forget_permits(PLENTY);

    // Enough steps to read and pause the queue, but not to write the audit entry.
    steps.add_permits(2);
    let request = Request::post("/act/queue/pause")
        .header(header::HOST, "localhost")
        .header("sec-fetch-site", "same-origin")
        .header("x-naq-action", "1")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from("queue=mail"));
    let action = tokio::spawn(dashboard.router().oneshot(request.unwrap()));
    eventually("the queue is paused", SOON, async || {
        broker.queue_info(&queue("mail")).await.unwrap().unwrap().paused_until
    })
    .await;
    action.abort();
    assert!(action.await.unwrap_err().is_cancelled(), "the action was still running");
    steps.add_permits(PLENTY);
    let entry = eventually("the audit entry", SOON, async || {
        client.audit_log(&Default::default()).await.unwrap().entries.pop()
    })
    .await;
    assert_eq!(
        (entry.what.as_str(), entry.scope.as_str()),
        ("pause", "queue mail, until it is resumed")
    );
}

#[tokio::test]
async fn an_action_that_the_broker_did_not_answer_is_audited_with_an_unknown_outcome() {
    let dashboard = TestDashboard::open(|_| {});
    let worker = WorkerInfo {
        worker_id: WorkerId::new("w1").unwrap(),
        status: WorkerStatus::Idle,
        queues: vec![queue("mail")],
        concurrency: 10,
        running: 0,
        hostname: "h".into(),
        pid: 1,
        version: "1".into(),
        started_at: dashboard.clock.now(),
        heartbeat_at: dashboard.clock.now(),
        finished: 0,
        failed: 0,
        signed: Vec::new(),
    };
    dashboard.broker.heartbeat(&worker, Duration::from_secs(60)).await.unwrap();
    dashboard.faulty.set_plan(FaultPlan::new().on(Op::Signal, 1, 1, Fault::Timeout));
    let refused = dashboard.act("worker/drain", &[("worker", "w1"), ("reason", "deploy")]).await;
    assert!(refused.unwrap_err().contains("It is not known whether the action was done"));
    let log = dashboard.client.audit_log(&Default::default()).await.unwrap().entries;
    assert_eq!(log.len(), 1);
    assert_eq!((log[0].what.as_str(), log[0].reason.as_str()), ("drain", "deploy"));
    assert!(log[0].scope.starts_with("worker w1; outcome unknown: "), "{}", log[0].scope);
    // An action that was refused for certain is not audited.
    assert!(dashboard.act("worker/drain", &[("worker", "gone")]).await.is_err());
    assert_eq!(dashboard.client.audit_log(&Default::default()).await.unwrap().entries.len(), 1);
}
