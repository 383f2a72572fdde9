//! Actions on queues and workers, and their audit entries.

use std::time::Duration;

use naq_core::transport::{Directory, Lookup, Operator, Signal, WorkerInfo, WorkerStatus};
use naq_core::{Clock, WorkerId};

use crate::test_dashboard::{TestDashboard, queue};

#[tokio::test]
async fn a_queue_is_paused_and_resumed_and_both_are_audited() {
    let dashboard = TestDashboard::open(|_| {});
    dashboard.enqueue("mail", 1).await;
    let paused =
        async || dashboard.broker.queue_info(&queue("mail")).await.unwrap().unwrap().paused_until;
    let fields = [("queue", "mail"), ("for", "15m"), ("reason", "the provider is down")];
    let reply = dashboard.act("queue/pause", &fields).await.unwrap();
    assert_eq!(reply["next"], "/queues/mail");
    assert_eq!(paused().await, Some(dashboard.clock.now() + Duration::from_secs(900)));
    dashboard.act("queue/resume", &[("queue", "mail")]).await.unwrap();
    assert_eq!(paused().await, None);
    let reply = dashboard.act("queue/resume", &[("queue", "mail")]).await.unwrap();
    assert!(reply["message"].as_str().unwrap().contains("not paused"));
    dashboard.act("queue/pause", &[("queue", "mail"), ("for", "")]).await.unwrap();
    assert!(
        paused().await.unwrap().since(dashboard.clock.now()) > Duration::from_secs(86_400 * 365)
    );
    for bad in ["soon", "0s", "-1h"] {
        let refused = dashboard.act("queue/pause", &[("queue", "mail"), ("for", bad)]).await;
        assert!(refused.is_err(), "{bad}");
    }
    let log = dashboard.client.audit_log(&Default::default()).await.unwrap().entries;
    let mut what: Vec<_> = log.iter().map(|entry| entry.what.as_str()).collect();
    what.sort_unstable();
    assert_eq!(what, ["pause", "pause", "resume"]);
    let html = dashboard.page("/audit", &["the provider is down"]).await;
    assert!(html.contains("queue mail, for 15m") && html.contains("local"), "{html}");
}

#[tokio::test]
async fn a_purge_previews_the_count_and_audits_the_number_removed() {
    let dashboard = TestDashboard::open(|_| {});
    dashboard.enqueue("mail", 17).await;
    let shown = dashboard.act("queue/purge/preview", &[("queue", "mail")]).await.unwrap();
    assert!(
        shown["html"].as_str().unwrap().contains("data-n=\"purge\" data-value=\"17\""),
        "{shown}"
    );
    let refused = dashboard.act("queue/purge", &[("queue", "mail"), ("confirm", "mai")]).await;
    assert!(refused.unwrap_err().contains("type the queue's name"));
    let fields = [("queue", "mail"), ("confirm", "mail"), ("reason", "test data")];
    let reply = dashboard.act("queue/purge", &fields).await.unwrap();
    assert_eq!(reply["message"], "Removed 17 jobs of queue mail.");
    let log = dashboard.client.audit_log(&Default::default()).await.unwrap().entries;
    assert_eq!((log[0].what.as_str(), log[0].count), ("purge", Some(17)));
    assert_eq!(log[0].reason, "test data");
    let unknown = dashboard.act("queue/purge", &[("queue", "nosuch"), ("confirm", "nosuch")]).await;
    assert!(unknown.unwrap_err().contains("no queue nosuch"));
}

#[tokio::test]
async fn a_worker_gets_the_signal_to_drain() {
    let dashboard = TestDashboard::open(|_| {});
    let id = WorkerId::new("w1").unwrap();
    let worker = WorkerInfo {
        worker_id: id.clone(),
        status: WorkerStatus::Busy,
        queues: vec![queue("mail")],
        concurrency: 10,
        running: 2,
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
    let mut signals = dashboard.broker.signals().await.unwrap();
    let reply =
        dashboard.act("worker/drain", &[("worker", "w1"), ("reason", "deploy")]).await.unwrap();
    assert!(reply["message"].as_str().unwrap().contains("2 jobs"), "{reply}");
    assert_eq!(signals.next().await, Some(Signal::Drain { worker: id }));
    dashboard.page("/audit", &["worker w1", "drain", "deploy"]).await;
    assert!(dashboard.act("worker/drain", &[("worker", "gone")]).await.is_err());
}
