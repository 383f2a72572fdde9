//! A visitor: the browser on a dashboard of one test's own.

use anyhow::{Result, ensure};
use naq_client::{AuditEntry, AuditQuery};
use naq_core::transport::JobKey;
use naq_core::{JobId, JobState};
use naq_dashboard::Options;
use naq_testing::{Browser, eventually, shared_browser};
use serde_json::json;
use tokio::sync::MutexGuard;

use super::{PATIENCE, Site, World, queue};

pub(crate) struct Visit {
    pub(crate) world: World,
    pub(crate) site: Site,
    pub(crate) browser: MutexGuard<'static, Browser>,
}

impl Visit {
    pub(crate) async fn start() -> Result<Self> {
        Self::of(World::start().await?).await
    }

    /// Of a world in which something is already: its dashboard knows all of it.
    pub(crate) async fn of(world: World) -> Result<Self> {
        let site = world.dashboard(Options::default()).await?;
        site.has_read().await;
        Ok(Self { world, site, browser: shared_browser().await })
    }

    pub(crate) async fn go(&self, path: &str) -> Result<()> {
        self.browser.goto(&self.site.page(path)).await
    }

    /// Waits for a notice on the page.
    pub(crate) async fn told(&self, text: &str) -> Result<()> {
        self.browser.wait_for_text(".toasts", text).await
    }

    /// The same for one that says why nothing was done, and that the browser has to complain about.
    pub(crate) async fn refused(&self, text: &str) -> Result<()> {
        self.told(text).await?;
        let problems = self.browser.problems().await?;
        ensure!(problems.iter().all(|problem| problem.contains("422")), "{problems:#?}");
        Ok(())
    }

    /// Waits until the number called `name` is `value`.
    pub(crate) async fn number(&self, name: &str, value: u64) -> Result<()> {
        self.browser.wait_for(&format!("[data-n={name}][data-value='{value}']")).await
    }

    /// Waits until the page at `path`, loaded beside the one that is open, contains `text`.
    pub(crate) async fn serves(&self, path: &str, text: &str) {
        let load = "return await (await fetch(arguments[0])).text()";
        eventually(&format!("{text} in {path}"), PATIENCE, async || {
            let page = self.browser.run_async(load, json!([path])).await?;
            ensure!(page.as_str().is_some_and(|page| page.contains(text)), "{page}");
            Ok(())
        })
        .await;
    }

    /// Waits until the broker says that the job is in this state.
    pub(crate) async fn job_is(&self, name: &str, id: &str, state: JobState) {
        let key = key(name, id);
        eventually(&format!("{key}, {state}"), PATIENCE, async || {
            let now = self.world.client.report(&key).await.map_err(|err| err.to_string())?.state;
            if now == state { Ok(()) } else { Err(now.to_string()) }
        })
        .await;
    }

    /// What was recorded, newest first: what was done, on what, and why.
    pub(crate) async fn recorded(&self) -> Result<Vec<AuditEntry>> {
        let query = AuditQuery { limit: 100, ..AuditQuery::default() };
        Ok(self.world.client.audit_log(&query).await?.entries)
    }

    /// Fails if the browser had anything against a page.
    pub(crate) async fn end(self) -> Result<()> {
        let problems = self.browser.problems().await?;
        ensure!(problems.is_empty(), "the browser complains: {problems:#?}");
        Ok(())
    }
}

pub(crate) fn key(name: &str, id: &str) -> JobKey {
    JobKey { queue: queue(name), id: JobId::new(id).expect("a job id") }
}
