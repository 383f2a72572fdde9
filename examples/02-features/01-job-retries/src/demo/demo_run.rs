//! [`DemoRun`]: enqueues the jobs of the programs and compares how they end.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use naq::transport::JobKey;
use naq::{Client, Delay, Enqueue, JobId, RetryPolicy};

use super::screen::{FAINT, STRONG, styled};
use super::watch::{self, Watched};
use super::{Expected, Row, Screen, table};

/// Enqueues jobs, watches them, and collects the rows of the table.
#[derive(Debug)]
pub struct DemoRun {
    client: Client,
    second: Duration,
    screen: Screen,
    program: &'static str,
    run: String,
    watched: Vec<Watched>,
    rows: Vec<Row>,
}

impl DemoRun {
    /// A run in which one second of the programs' delays lasts `second`.
    pub fn new(client: Client, second: Duration, screen: Screen) -> Self {
        Self {
            client,
            second,
            screen,
            program: "",
            run: String::new(),
            watched: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// The client that programs enqueue with.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Converts seconds of the programs' delays to durations.
    pub fn seconds(&self) -> impl Fn(u32) -> Duration + Copy + use<> {
        let second = self.second;
        move |n| second * n
    }

    /// The same policy with its delays scaled.
    pub fn scaled(&self, policy: &RetryPolicy) -> RetryPolicy {
        let scale = |delay: &Duration| delay.mul_f64(self.second.as_secs_f64());
        let delay = match policy.delay() {
            Delay::Every(delay) => Delay::Every(scale(delay)),
            Delay::List(delays) => Delay::List(delays.iter().map(scale).collect()),
        };
        policy.to_builder().delay(delay).build()
    }

    /// Starts a program: waits for a worker, and prints the program's name and what it shows.
    ///
    /// # Errors
    /// The broker cannot be reached, or no worker started within half a minute.
    pub async fn open(&mut self, program: &'static str, shows: &str) -> Result<()> {
        watch::for_a_worker(&self.client, self.screen).await?;
        self.program = program;
        let id = JobId::random();
        self.run = id.as_str()[id.as_str().len() - 6..].to_owned();
        self.screen.line(format_args!("\n{}: {shows}", styled(STRONG, program)));
        Ok(())
    }

    /// Enqueues a job under an id that starts with `name`, and prints a line about it.
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

    /// Prints how long one second of the programs' delays lasts.
    pub fn print_scale(&self) {
        let second = self.second;
        self.screen.line(format_args!("scale   one second of the delays lasts {second:?}"));
    }

    /// Prints one indented line.
    pub fn print(&self, text: &str) {
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

    /// Prints the table. The exit code is 1 if a job did not end as expected.
    pub fn finish(&self) -> ExitCode {
        table::show(self.screen, &self.rows);
        let all_expected = self.rows.iter().all(|row| row.differences().is_empty());
        if all_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
