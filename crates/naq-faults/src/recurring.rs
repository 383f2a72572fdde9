//! A recurring schedule of scripted jobs.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use naq_client::{Client, Registered, ScheduleBuilder};
use naq_core::QueueName;
use naq_core::schedule::CatchUp;

use crate::job::Scripted;
use crate::script::{Pace, Script};

/// A schedule that a worker registers before it works.
#[derive(Debug, Args)]
#[group(requires = "schedule")]
pub struct ScheduleArgs {
    /// Its name.
    #[arg(long, required = false)]
    schedule: String,
    /// How often it ticks.
    #[arg(long, default_value_t = 1_000)]
    every_ms: u64,
    /// Its runs in all.
    #[arg(long, default_value_t = 60)]
    max_runs: u64,
}

impl ScheduleArgs {
    /// Registers it; every tick that nobody was there for is made up for.
    ///
    /// # Errors
    /// The broker does not answer.
    pub async fn register(&self, client: &Client, queue: &QueueName) -> Result<Registered> {
        let schedule = define(client, &self.schedule, queue, Script::Succeed);
        let every = Duration::from_millis(self.every_ms);
        let schedule = schedule.every(every).max_runs(self.max_runs).catch_up(CatchUp::All);
        Ok(schedule.await?)
    }
}

/// A schedule whose runs follow `script`.
pub fn define<'a>(
    client: &'a Client,
    name: &str,
    queue: &QueueName,
    script: Script,
) -> ScheduleBuilder<'a> {
    let job = client.enqueue(Scripted { script, pace: Pace::Fixed });
    client.schedule(name).template(job.queue(queue).policy(&script.policy(Pace::Fixed)))
}
