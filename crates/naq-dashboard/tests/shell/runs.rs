//! Which worker runs a job: on the pages of job, queue and worker. A job that waits in a worker for a
//! slot does not count as running.

use std::time::Duration;

use naq_core::Clock;
use naq_core::WorkerId;
use naq_core::flow::{ListedRun, RunList};
use naq_core::transport::{Consumer, Expect, JobKey, StateStore};

use crate::test_dashboard::{TestDashboard, queue, task};

const LEASE: Duration = Duration::from_secs(600);
const RUN_LIST_TTL: Option<Duration> = Some(Duration::from_secs(600));

/// The list that worker `w1` stores: it runs this job.
async fn store_list(dashboard: &TestDashboard, job: &JobKey) {
    let worker = WorkerId::new("w1").unwrap();
    let run = ListedRun {
        job: job.clone(),
        step: "a/1/0".into(),
        crashes: 0,
        started_at: Some(dashboard.clock.now().saturating_sub(Duration::from_secs(75))),
        task: Some(task("email.send")),
        origin: None,
    };
    let key = RunList::key(&worker, "p1").unwrap();
    let list = RunList { worker, queues: vec![queue("mail")], interval_ms: 1_000, runs: vec![run] };
    dashboard.broker.state_put(&key, list.value(), Expect::Any, RUN_LIST_TTL).await.unwrap();
}

#[tokio::test]
async fn of_the_delivered_jobs_only_those_with_a_slot_run() {
    let dashboard = TestDashboard::open(|_| {});
    dashboard.enqueue("mail", 5).await;
    let mut sub = dashboard.broker.subscribe(&queue("mail"), LEASE).await.unwrap();
    let held = sub.fetch(3, Duration::from_millis(1)).await.unwrap();
    let (none, three) =
        ("data-n=\"running\" data-value=\"0\"", "data-n=\"taken\" data-value=\"3\"");
    dashboard.page("/queues/mail", &[none, three]).await;

    let job = &held[0].stored.key;
    dashboard.clock.advance(Duration::from_secs(80)).await;
    store_list(&dashboard, job).await;
    let one = "data-n=\"running\" data-value=\"1\"";
    let two = "data-n=\"taken\" data-value=\"2\"";
    let html = dashboard.page("/queues/mail", &[one, two, "Running now", "1m15s"]).await;
    assert!(html.contains("/workers/w1") && html.contains(job.id.as_str()), "{html}");
    dashboard.page("/queues", &[one, two]).await;
    let path = format!("/jobs/mail/{}", job.id);
    dashboard.page(&path, &["data-n=\"worker\"", "/workers/w1", "1m15s so far"]).await;
    dashboard
        .page("/jobs?state=running", &["state-running\">running", "state-taken\">taken"])
        .await;
}

#[tokio::test]
async fn a_worker_that_is_gone_still_names_the_jobs_that_it_ran() {
    let dashboard = TestDashboard::open(|_| {});
    dashboard.enqueue("mail", 1).await;
    let mut sub = dashboard.broker.subscribe(&queue("mail"), LEASE).await.unwrap();
    let held = sub.fetch(1, Duration::from_millis(1)).await.unwrap();
    store_list(&dashboard, &held[0].stored.key).await;
    dashboard.page("/workers/w1", &[held[0].stored.key.id.as_str()]).await;
    dashboard.clock.advance(Duration::from_secs(10)).await;
    dashboard.page("/workers/w1", &["This worker is gone", "worker is gone"]).await;
    let (status, html) = dashboard.get("/workers/w2").await;
    assert_eq!(status, 404);
    assert!(html.contains("no worker w2 is alive"), "{html}");
}
