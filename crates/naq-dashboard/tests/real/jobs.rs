//! One job is retried, cancelled, requeued and copied from its page.

use std::time::Duration;

use anyhow::Result;
use naq_core::{ErrorKind, JobState};
use serde_json::{Value, json};

use crate::setup::{BrowserSession, Script, Step, key};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_retried_now_cancelled_requeued_and_copied() -> Result<()> {
    let session = BrowserSession::start().await?;
    let client = &session.setup.client;
    for id in ["soon", "never"] {
        let job = client.enqueue_task("email.send", &json!({ "to": "ada@example.com" }))?;
        job.queue("mail").id(id).delay(HOUR).await?;
    }
    let fatal = Script::new([Step::fatal(ErrorKind::VALUE, "order 7 has no lines")]);
    let job = client.enqueue_task("email.send", &json!({ "order": 7, "script": fatal }))?;
    job.queue("mail").id("lost").await?;
    let worker =
        session.setup.worker("ada", &["mail"], session.setup.scripted(&["email.send"])).await?;
    session.job_is("mail", "lost", JobState::Dead).await;
    worker.stop().await?;
    let browser = &session.browser;

    session.go("/jobs/mail/soon").await?;
    browser.wait_for("[data-state=scheduled]").await?;
    browser.press("main", "Retry now").await?;
    session.job_is("mail", "soon", JobState::Pending).await;
    browser.wait_for("[data-state=pending]").await?;

    session.go("/jobs/mail/never").await?;
    browser.press("main", "Cancel…").await?;
    browser.fill("#cancel input[name=reason]", "sent by hand").await?;
    browser.press("#cancel", "Cancel the job").await?;
    session.wait_for_notice("Job never is cancelled").await?;
    session.job_is("mail", "never", JobState::Cancelled).await;
    browser.wait_for("[data-state=cancelled]").await?;

    session.go("/jobs/mail/lost").await?;
    browser.wait_for_text("main", "order 7 has no lines").await?;
    browser.wait_for("#attempts").await?;
    browser.allow_clipboard(&session.dashboard.url).await?;
    browser.press("main", "Copy as JSON").await?;
    session.wait_for_notice("Copied").await?;
    let copied: Value = serde_json::from_str(&browser.clipboard().await?)?;
    assert!(copied.to_string().contains("lost"), "{copied}");
    browser.press("main", "Copy the command").await?;
    browser.wait_for_text("#command", "naq job").await?;
    browser.press("main", "Requeue…").await?;
    browser.fill("#requeue input[name=delay]", "10m").await?;
    browser.press("#requeue", "Requeue").await?;
    session.wait_for_notice("Job lost has a new life").await?;
    session.job_is("mail", "lost", JobState::Scheduled).await;
    let due = client.report(&key("mail", "lost")).await?.due_at.expect("a time");
    let wait = due.since(client.now());
    assert!(wait > Duration::from_secs(500) && wait <= Duration::from_secs(600), "{wait:?}");

    let entries = session.audit_log().await?;
    let lines: Vec<_> = entries.iter().map(|e| (&*e.what, &*e.scope)).collect();
    assert_eq!(
        lines,
        [
            ("requeue", "job mail/lost"),
            ("cancel", "job mail/never"),
            ("retry-now", "job mail/soon"),
        ]
    );
    session.end().await
}
