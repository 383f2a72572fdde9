//! Schedules and workflows.

use std::time::Duration;

use axum::http::StatusCode;
use naq_client::Workflow;
use naq_core::JobState;
use serde_json::json;

use crate::site::Site;

async fn scheduled() -> Site {
    let site = Site::new();
    let job = site.client.enqueue_task("report.build", &json!({"day": 1})).expect("a task");
    let schedule = site.client.schedule("nightly").cron("30 2 * * MON-FRI");
    schedule.time_zone("Europe/Berlin").template(job).await.expect("is registered");
    let job = site.client.enqueue_task("cache.warm", &json!(null)).expect("a task");
    let schedule = site.client.schedule("warm").every(Duration::from_secs(3600));
    schedule.template(job).await.expect("is registered");
    site
}

#[tokio::test]
async fn schedules_are_shown_in_words_with_their_next_runs() {
    let site = scheduled().await;
    let page = site.page("/schedules").await;
    for part in [
        "nightly",
        "30 2 * * MON-FRI",
        "Europe/Berlin",
        "02:30",
        "every 1 h",
        "report.build",
        "none yet",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let page = Site::new().page("/schedules").await;
    assert!(page.contains("There are no schedules") && page.contains("naq schedule"), "{page}");
}

#[tokio::test]
async fn a_schedule_is_paused_resumed_and_run_now_and_each_action_is_audited() {
    let site = scheduled().await;
    let form = [("schedule", "nightly")];
    let (status, answer) = site.act("/act/schedule/pause", &form).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let page = site.page("/schedules").await;
    assert!(page.contains("skipped while the schedule is paused"), "{page}");
    let (status, answer) = site.act("/act/schedule/resume", &form).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(!site.page("/schedules").await.contains("skipped while"));
    let (status, answer) = site.act("/act/schedule/run-now", &form).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let run = answer["next"].as_str().expect("the run's page");
    assert!(site.page(run).await.contains("report.build"));
    let verbs: Vec<_> = site.audited().await.into_iter().map(|(what, ..)| what).collect();
    assert_eq!(verbs, ["run-now", "resume", "pause"]);
    let (status, answer) = site.act("/act/schedule/pause", &[("schedule", "none")]).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{answer}");
    let (status, _) = site.act("/act/schedule/pause", &[]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

async fn flow(site: &Site) {
    let step = |n: u32| site.client.enqueue_task("etl.step", &json!({"n": n})).expect("a task");
    let flow = Workflow::new("etl")
        .id("etl-1")
        .job("extract", step(1))
        .job("clean", step(2))
        .job("enrich", step(3))
        .job("load", step(4))
        .fan_out("extract", ["clean", "enrich"])
        .fan_in(["clean", "enrich"], "load");
    site.client.start(flow).await.expect("is started");
}

#[tokio::test]
async fn a_workflow_is_drawn_and_each_job_is_a_link() {
    let site = Site::new();
    assert!(site.page("/workflows").await.contains("No workflow was started"));
    flow(&site).await;
    let page = site.page("/workflows").await;
    assert!(page.contains(r#"href="/workflows/etl-1""#), "{page}");
    let page = site.page("/workflows/etl-1").await;
    assert_eq!(page.matches(r#"class="edge""#).count(), 4, "{page}");
    for part in ["0 of 4", r#"href="/jobs/default/etl-1-load""#, r#"class="chip state-blocked""#] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let page = site.page("/jobs/default/etl-1-load").await;
    assert!(page.contains(r#"href="/workflows/etl-1""#), "{page}");
    assert!(page.contains("waits for 2 jobs to end"), "{page}");
    assert!(page.contains(r#"href="/jobs/default/etl-1-clean""#), "{page}");
    let (status, _) = site.get("/workflows/none").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_workflow_is_cancelled_and_the_action_is_audited() {
    let site = Site::new();
    flow(&site).await;
    let form = [("workflow", "etl-1"), ("reason", "wrong day")];
    let (status, answer) = site.act("/act/workflow/cancel", &form).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["message"], json!("Workflow etl-1 is cancelled: 4 jobs ended."));
    assert_eq!(site.state("default/etl-1-load").await, JobState::Cancelled);
    let entry = ("cancel".to_owned(), "workflow etl-1".to_owned(), "wrong day".to_owned());
    assert_eq!(site.audited().await, [entry]);
    let page = site.page("/workflows/etl-1").await;
    assert!(page.contains("4 of 4") && !page.contains("Cancel…"), "{page}");
}
