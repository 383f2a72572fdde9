//! [`Stage`]: what a program needs to tell its story.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use naq::transport::JobKey;
use naq::{Client, Delay, Enqueue, JobId, RetryPolicy};

use super::screen::{FAINT, STRONG, styled};
use super::watch::{self, Watched};
use super::{Expected, Row, Screen, table};

/// Enqueues jobs, watches them, and keeps the table.
#[derive(Debug)]
pub struct Stage {
    client: Client,
    second: Duration,
    screen: Screen,
    program: &'static str,
    run: String,
    watched: Vec<Watched>,
    rows: Vec<Row>,
}

impl Stage {
    /// A stage on which a second of the reference document lasts `second`.
    pub fn new(client: Client, second: Duration, screen: Screen) -> Self {
        let (watched, rows) = (Vec::new(), Vec::new());
        Self { client, second, screen, program: "", run: String::new(), watched, rows }
    }

    /// The client that programs enqueue with.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Makes durations out of the seconds of the reference document.
    pub fn seconds(&self) -> impl Fn(u32) -> Duration + Copy + use<> {
        let second = self.second;
        move |n| second * n
    }

    /// The same policy with its delays on this stage's scale.
    pub fn scaled(&self, policy: &RetryPolicy) -> RetryPolicy {
        let scale = |delay: &Duration| delay.mul_f64(self.second.as_secs_f64());
        let delay = match policy.delay() {
            Delay::Every(delay) => Delay::Every(scale(delay)),
            Delay::List(delays) => Delay::List(delays.iter().map(scale).collect()),
        };
        policy.to_builder().delay(delay).build()
    }

    /// Begins a program: its name, what it shows, and a worker that listens.
    ///
    /// # Errors
    /// The broker cannot be reached, or no worker came within half a minute.
    pub async fn open(&mut self, program: &'static str, shows: &str) -> Result<()> {
        watch::for_a_worker(&self.client, self.screen).await?;
        self.program = program;
        let id = JobId::random();
        self.run = id.as_str()[id.as_str().len() - 6..].to_owned();
        self.screen.line(format_args!("\n{}: {shows}", styled(STRONG, program)));
        Ok(())
    }

    /// Enqueues a job under a telling id, and says so.
    ///
    /// # Errors
    /// It could not be enqueued.
    pub async fn add<O: Send + 'static>(
        &mut self,
        name: &'static str,
        shows: &str,
        job: Enqueue<'_, O>,
        expected: Expected,
    ) -> Result<()> {
        let id = format!("{name}-{}", self.run);
        let handle = job.id(&id).await.with_context(|| format!("cannot enqueue {name}"))?;
        self.screen.line(format_args!("  {shows:<40} {}", styled(FAINT, &id)));
        let key = JobKey { queue: handle.queue().clone(), id: handle.id().clone() };
        self.watched.push(Watched::new(self.program, name, key, expected));
        Ok(())
    }

    /// Says how long a second lasts here.
    pub fn say_scale(&self) {
        let second = self.second;
        self.screen.line(format_args!("scale   what is called a second here lasts {second:?}"));
    }

    /// One line of what else there is to say.
    pub fn say(&self, text: &str) {
        self.screen.line(format_args!("  {text}"));
    }

    /// Shows every attempt as it happens, until all jobs have ended.
    ///
    /// # Errors
    /// The broker cannot be reached.
    pub async fn watch(&mut self) -> Result<()> {
        let jobs = std::mem::take(&mut self.watched);
        self.rows.extend(watch::all(&self.client, self.screen, jobs).await?);
        Ok(())
    }

    /// The table so far.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Shows the table; the exit code is 1 if a job did not do as expected.
    pub fn finish(&self) -> ExitCode {
        table::show(self.screen, &self.rows);
        let well = self.rows.iter().all(|row| row.differences().is_empty());
        if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
