//! A recurring schedule whose runs are scripted jobs.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use naq_client::{Client, Registered, ScheduleBuilder};
use naq_core::QueueName;
use naq_core::schedule::CatchUp;

use crate::job::ScriptedJob;
use crate::script::{DelayPattern, Script};

/// A schedule that a worker registers before it starts.
#[derive(Debug, Args)]
#[group(requires = "schedule")]
pub struct ScheduleArgs {
    /// Its name.
    #[arg(long, required = false)]
    schedule: String,
    /// The time between two ticks, in milliseconds.
    #[arg(long, default_value_t = 1_000)]
    every_ms: u64,
    /// How many runs it makes in total.
    #[arg(long, default_value_t = 60)]
    max_runs: u64,
}

impl ScheduleArgs {
    /// Registers the schedule. Each missed tick is caught up on.
    ///
    /// # Errors
    /// The broker does not reply.
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
    let job = client.enqueue(ScriptedJob { script, pace: DelayPattern::Fixed });
    client.schedule(name).template(job.queue(queue).policy(script.policy(DelayPattern::Fixed)))
}
