//! [`BrowserSession`]: the browser with the dashboard of one test.

use anyhow::{Result, ensure};
use naq_client::{AuditEntry, AuditQuery};
use naq_core::transport::JobKey;
use naq_core::{JobId, JobState};
use naq_dashboard::Options;
use naq_testing::{Browser, eventually, shared_browser};
use serde_json::json;
use tokio::sync::MutexGuard;

use super::{DashboardServer, TIMEOUT, TestSetup, queue};

pub(crate) struct BrowserSession {
    pub(crate) setup: TestSetup,
    pub(crate) dashboard: DashboardServer,
    pub(crate) browser: MutexGuard<'static, Browser>,
}

impl BrowserSession {
    pub(crate) async fn start() -> Result<Self> {
        Self::of(TestSetup::start().await?).await
    }

    /// A session for a setup that already has jobs; its dashboard has read them.
    pub(crate) async fn of(setup: TestSetup) -> Result<Self> {
        let dashboard = setup.dashboard(Options::default()).await?;
        dashboard.has_read().await;
        Ok(Self { setup, dashboard, browser: shared_browser().await })
    }

    pub(crate) async fn go(&self, path: &str) -> Result<()> {
        self.browser.goto(&self.dashboard.page(path)).await
    }

    /// Waits for a notice on the page.
    pub(crate) async fn wait_for_notice(&self, text: &str) -> Result<()> {
        self.browser.wait_for_text(".toasts", text).await
    }

    /// Waits for a notice that an action was refused. The browser logs the status 422 as an error.
    pub(crate) async fn wait_for_refusal(&self, text: &str) -> Result<()> {
        self.wait_for_notice(text).await?;
        let problems = self.browser.problems().await?;
        ensure!(problems.iter().all(|problem| problem.contains("422")), "{problems:#?}");
        Ok(())
    }

    /// Waits until the number called `name` is `value`.
    pub(crate) async fn number(&self, name: &str, value: u64) -> Result<()> {
        self.browser.wait_for(&format!("[data-n={name}][data-value='{value}']")).await
    }

    /// Waits until the page at `path`, fetched by the open page, contains `text`.
    pub(crate) async fn serves(&self, path: &str, text: &str) {
        let load = "return await (await fetch(arguments[0])).text()";
        eventually(&format!("{text} in {path}"), TIMEOUT, async || {
            let page = self.browser.run_async(load, json!([path])).await?;
            ensure!(page.as_str().is_some_and(|page| page.contains(text)), "{page}");
            Ok(())
        })
        .await;
    }

    /// Waits until the job is in this state in the broker.
    pub(crate) async fn job_is(&self, name: &str, id: &str, state: JobState) {
        let key = key(name, id);
        eventually(&format!("{key}, {state}"), TIMEOUT, async || {
            let now = self.setup.client.report(&key).await.map_err(|err| err.to_string())?.state;
            if now == state { Ok(()) } else { Err(now.to_string()) }
        })
        .await;
    }

    /// The audit entries, newest first.
    pub(crate) async fn audit_log(&self) -> Result<Vec<AuditEntry>> {
        let query = AuditQuery { limit: 100, ..AuditQuery::default() };
        Ok(self.setup.client.audit_log(&query).await?.entries)
    }

    /// Fails if the browser logged an error.
    pub(crate) async fn end(self) -> Result<()> {
        let problems = self.browser.problems().await?;
        ensure!(problems.is_empty(), "the browser logged errors: {problems:#?}");
        Ok(())
    }
}

pub(crate) fn key(name: &str, id: &str) -> JobKey {
    JobKey::new(queue(name), JobId::new(id).expect("a job id"))
}
