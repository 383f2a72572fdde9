//! The producer: sends each job of a plan at its time, many at once, and repeats it with the same
//! id until the broker has acknowledged it. It writes each request and each reply to its ledger.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::Result;
use naq_client::{Client, EnqueueError, Prepared};
use naq_core::Timestamp;
use tokio::time::{MissedTickBehavior, interval};

use crate::job::{BlockingJob, ScriptedJob, SnoozingJob};
use crate::ledger::{Ledger, LedgerEntry, now};
use crate::plan::{PlannedJob, RunPlan};
use crate::script::Script;

/// How many jobs are sent at the same time.
const BATCH: usize = 200;
const TICK: Duration = Duration::from_millis(20);

/// Sends all jobs, and returns when the last one is acknowledged.
///
/// # Errors
/// The ledger cannot be written, or the broker refuses a job for a permanent reason.
pub async fn produce(plan: &RunPlan, client: &Client, ledger: &Ledger) -> Result<()> {
    let start = now();
    let mut left: VecDeque<&PlannedJob> = plan.jobs.iter().collect();
    let mut again: Vec<&PlannedJob> = Vec::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !left.is_empty() || !again.is_empty() {
        ticks.tick().await;
        let mut batch = std::mem::take(&mut again);
        let due = |job: &&PlannedJob| start + job.send_at_ms <= now();
        while batch.len() < BATCH && left.front().is_some_and(due) {
            batch.extend(left.pop_front());
        }
        if !batch.is_empty() {
            again = send(&batch, client, ledger).await?;
        }
    }
    Ok(())
}

/// Sends a batch. Returns the jobs that must be sent again.
async fn send<'a>(
    batch: &[&'a PlannedJob],
    client: &Client,
    ledger: &Ledger,
) -> Result<Vec<&'a PlannedJob>> {
    let sending = batch.iter().map(|job| LedgerEntry::Sending { job: job.id.clone(), at: now() });
    ledger.write(&sending.collect::<Vec<_>>())?;
    let prepared = batch.iter().map(|job| prepare(job, client)).collect::<Result<Vec<_>, _>>()?;
    let mut acked = Vec::new();
    let mut again = Vec::new();
    for (job, answer) in batch.iter().zip(client.enqueue_many(prepared).await) {
        match answer {
            Ok(handle) => {
                let duplicate = handle.is_duplicate();
                acked.push(LedgerEntry::Acked { job: job.id.clone(), at: now(), duplicate });
            }
            // The broker may have stored the job. A second send with the same id adds no job.
            Err(EnqueueError::Transport(error)) if error.is_transient() => again.push(*job),
            Err(error) => return Err(error.into()),
        }
    }
    if !acked.is_empty() {
        ledger.write(&acked)?;
    }
    Ok(again)
}

/// Prepares a job for sending.
///
/// # Errors
/// Those of [`naq_client::Enqueue::prepare`].
pub fn prepare(job: &PlannedJob, client: &Client) -> Result<Prepared<u32>, EnqueueError> {
    let scripted = ScriptedJob { script: job.script, pace: job.pace };
    let mut enqueue = match job.script {
        Script::Blocking { .. } => client.enqueue(BlockingJob(scripted)),
        Script::Snooze => client.enqueue(SnoozingJob(scripted)),
        _ => client.enqueue(scripted),
    };
    enqueue = enqueue.id(&job.id).queue(&job.queue).policy(job.script.policy(job.pace));
    if job.delay_ms > 0 {
        enqueue = enqueue.delay(Duration::from_millis(job.delay_ms));
    }
    if job.script == Script::Expire {
        // The deadline is before the due time.
        enqueue = enqueue.deadline(Timestamp::from_millis(now() + job.delay_ms / 2));
    }
    enqueue.prepare()
}
