//! Schedules and workflows.

use std::time::Duration;

use axum::http::StatusCode;
use naq_client::Workflow;
use naq_core::JobState;
use serde_json::json;

use crate::test_dashboard::TestDashboard;

async fn scheduled() -> TestDashboard {
    let dashboard = TestDashboard::new();
    let job = dashboard.client.enqueue_task("report.build", &json!({"day": 1})).expect("a task");
    let schedule = dashboard.client.schedule("nightly").cron("30 2 * * MON-FRI");
    schedule.time_zone("Europe/Berlin").template(job).await.expect("is registered");
    let job = dashboard.client.enqueue_task("cache.warm", &json!(null)).expect("a task");
    let schedule = dashboard.client.schedule("warm").every(Duration::from_secs(3600));
    schedule.template(job).await.expect("is registered");
    dashboard
}

#[tokio::test]
async fn schedules_are_shown_in_words_with_their_next_runs() {
    let dashboard = scheduled().await;
    let page = dashboard.page("/schedules").await;
    for part in [
        "nightly",
        "30 2 * * MON-FRI",
        "Europe/Berlin",
        "02:30",
        "every 1h",
        "report.build",
        "none yet",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let page = TestDashboard::new().page("/schedules").await;
    assert!(page.contains("There are no schedules") && page.contains("naq schedule"), "{page}");
}

#[tokio::test]
async fn a_schedule_is_paused_resumed_and_run_now_and_each_action_is_audited() {
    let dashboard = scheduled().await;
    let form = [("schedule", "nightly")];
    let (status, answer) = dashboard.act("/act/schedule/pause", &form).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let page = dashboard.page("/schedules").await;
    assert!(page.contains("skipped while the schedule is paused"), "{page}");
    let (status, answer) = dashboard.act("/act/schedule/resume", &form).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(!dashboard.page("/schedules").await.contains("skipped while"));
    let (status, answer) = dashboard.act("/act/schedule/run-now", &form).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let run = answer["next"].as_str().expect("the run's page");
    assert!(dashboard.page(run).await.contains("report.build"));
    let verbs: Vec<_> = dashboard.audited().await.into_iter().map(|(what, ..)| what).collect();
    assert_eq!(verbs, ["run-now", "resume", "pause"]);
    let (status, answer) = dashboard.act("/act/schedule/pause", &[("schedule", "none")]).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{answer}");
    let (status, _) = dashboard.act("/act/schedule/pause", &[]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

async fn flow(dashboard: &TestDashboard) {
    let step =
        |n: u32| dashboard.client.enqueue_task("etl.step", &json!({"n": n})).expect("a task");
    let flow = Workflow::new("etl")
        .id("etl-1")
        .job("extract", step(1))
        .job("clean", step(2))
        .job("enrich", step(3))
        .job("load", step(4))
        .fan_out("extract", ["clean", "enrich"])
        .fan_in(["clean", "enrich"], "load");
    dashboard.client.start(flow).await.expect("is started");
}

#[tokio::test]
async fn a_workflow_is_drawn_and_each_job_is_a_link() {
    let dashboard = TestDashboard::new();
    assert!(dashboard.page("/workflows").await.contains("No workflow was started"));
    flow(&dashboard).await;
    let page = dashboard.page("/workflows").await;
    assert!(page.contains(r#"href="/workflows/etl-1""#), "{page}");
    let page = dashboard.page("/workflows/etl-1").await;
    assert_eq!(page.matches(r#"class="edge""#).count(), 4, "{page}");
    for part in ["0 of 4", r#"href="/jobs/default/etl-1-load""#, r#"class="chip state-blocked""#] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let page = dashboard.page("/jobs/default/etl-1-load").await;
    assert!(page.contains(r#"href="/workflows/etl-1""#), "{page}");
    assert!(page.contains("waits for 2 jobs to end"), "{page}");
    assert!(page.contains(r#"href="/jobs/default/etl-1-clean""#), "{page}");
    let (status, _) = dashboard.get("/workflows/none").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_workflow_is_cancelled_and_the_action_is_audited() {
    let dashboard = TestDashboard::new();
    flow(&dashboard).await;
    let form = [("workflow", "etl-1"), ("reason", "wrong day")];
    let (status, answer) = dashboard.act("/act/workflow/cancel", &form).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["message"], json!("Workflow etl-1 is cancelled: 4 jobs ended."));
    assert_eq!(dashboard.state("default/etl-1-load").await, JobState::Cancelled);
    let entry = ("cancel".to_owned(), "workflow etl-1".to_owned(), "wrong day".to_owned());
    assert_eq!(dashboard.audited().await, [entry]);
    let page = dashboard.page("/workflows/etl-1").await;
    assert!(page.contains("4 of 4") && !page.contains("Cancel…"), "{page}");
}
