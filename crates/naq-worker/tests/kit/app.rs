//! A small program with jobs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq_client::{Client, EnqueueError};
use naq_core::{Failure, Job, JobOptions};
use naq_worker::testing::Harness;
use naq_worker::{Context, Registry};
use serde::{Deserialize, Serialize};

pub(crate) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// Fails until its last number, then succeeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Import {
    pub(crate) file: String,
    pub(crate) succeeds_at: u32,
}

impl Job for Import {
    const NAME: &'static str = "file.import";
    type Output = u32;

    fn options() -> JobOptions {
        JobOptions::new().queue("imports").policy("exponential:2s,max_retries=4".parse().unwrap())
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Welcome {
    pub(crate) to: String,
}

impl Job for Welcome {
    const NAME: &'static str = "mail.welcome";
    type Output = ();
}

/// What the handler does, by the job's name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Odd(pub(crate) String);

impl Job for Odd {
    const NAME: &'static str = "odd";
    type Output = String;
}

#[derive(Clone, Default)]
pub(crate) struct App {
    pub(crate) log: Arc<Mutex<Vec<String>>>,
}

impl App {
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    fn note(&self, what: String) {
        self.log.lock().unwrap().push(what);
    }
}

async fn import(job: Import, cx: Context<App>) -> Result<u32, Failure> {
    cx.state().note(format!("{} {}", job.file, cx.attempt()));
    if cx.attempt() < job.succeeds_at {
        return Err(Failure::msg("not there yet").with_kind("IOError"));
    }
    let welcome = Welcome { to: job.file };
    cx.client().enqueue(welcome).queue("mail").await?;
    Ok(cx.attempt())
}

async fn welcome(job: Welcome, cx: Context<App>) -> Result<(), Failure> {
    cx.state().note(format!("welcome {}", job.to));
    Ok(())
}

async fn odd(job: Odd, cx: Context<App>) -> Result<String, Failure> {
    cx.state().note(job.0.clone());
    match job.0.as_str() {
        "panic" => panic!("on purpose"),
        "fatal" => Err(Failure::new("ValueError", "wrong").fatal()),
        "cancel" => Err(Failure::cancel("not needed")),
        "snooze" if cx.snoozes() == 0 => Err(Failure::snooze(secs(60))),
        "hang" => std::future::pending().await,
        "busy" => tokio::task::spawn_blocking(|| Ok("in a thread".to_owned())).await?,
        other => Ok(other.to_owned()),
    }
}

/// The code under test: it enqueues jobs.
pub(crate) async fn sign_up(client: &Client, name: &str) -> Result<(), EnqueueError> {
    client.enqueue(Welcome { to: name.into() }).queue("mail").tag("new").await?;
    let import = Import { file: format!("{name}.csv"), succeeds_at: 1 };
    client.enqueue_in(DAY, import).unique(format!("import {name}")).await?;
    Ok(())
}

pub(crate) fn registry(app: &App) -> Registry<App> {
    Registry::with_state(app.clone()).task(import).task(welcome).task(odd)
}

pub(crate) fn harness() -> (Harness, App) {
    let app = App::default();
    (Harness::new(registry(&app)), app)
}
