//! The scripted jobs of a run, and their handlers, which do what the script says.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use naq_core::{Failure, Job, SystemClock, Timer, Timestamp};
use naq_worker::{Context, Registry};
use serde::{Deserialize, Serialize};

use crate::ledger::{Ledger, LedgerEntry, now};
use crate::script::{DelayPattern, HandlerAct, IGNORED_KIND, Script, ScriptStep};

/// A job with an async handler.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ScriptedJob {
    /// What its handler does.
    pub script: Script,
    /// The delays between its attempts.
    pub pace: DelayPattern,
}

/// The same job with a blocking handler.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct BlockingJob(pub ScriptedJob);

/// The same job for a script that snoozes. No operator pauses its task: a pause counts as a snooze, and
/// the handler would not know which snooze was its own.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct SnoozingJob(pub ScriptedJob);

impl Job for ScriptedJob {
    const NAME: &'static str = "faults.scripted";
    type Output = u32;
}

impl Job for SnoozingJob {
    const NAME: &'static str = "faults.snoozing";
    type Output = u32;
}

impl Job for BlockingJob {
    const NAME: &'static str = "faults.blocking";
    type Output = u32;
}

/// A job with many steps that saves a checkpoint after each.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckpointJob {
    /// The number of steps.
    pub steps: u64,
    /// The time that each step takes, in milliseconds.
    pub step_ms: u64,
    /// A file to which each step appends a line with process id and step.
    pub file: PathBuf,
    /// The size of the result in bytes.
    pub result: usize,
}

impl Job for CheckpointJob {
    const NAME: &'static str = "faults.walk";
    type Output = String;
}

/// What the handlers need: the ledger and the worker's name.
#[derive(Debug, Clone)]
pub struct HandlerDeps {
    ledger: Arc<Ledger>,
    worker: String,
}

/// The handlers of a worker that writes to `ledger`.
pub fn registry(ledger: Ledger, worker: &str) -> Registry<HandlerDeps> {
    let deps = HandlerDeps { ledger: Arc::new(ledger), worker: worker.to_owned() };
    Registry::with_state(deps).task(scripted).task(snoozing).blocking(blocking).task(checkpoint_job)
}

async fn scripted(job: ScriptedJob, cx: Context<HandlerDeps>) -> Result<u32, Failure> {
    let act = on_start(job, &cx);
    let running = RunningHandler { job, cx: &cx };
    let takes = job.script.takes();
    if !takes.is_zero() {
        let until = Timestamp::from_millis(now()) + takes;
        SystemClock.sleep_until(until).await;
    }
    std::mem::forget(running);
    finish(job, act, &cx)
}

async fn snoozing(SnoozingJob(job): SnoozingJob, cx: Context<HandlerDeps>) -> Result<u32, Failure> {
    scripted(job, cx).await
}

fn blocking(BlockingJob(job): BlockingJob, cx: Context<HandlerDeps>) -> Result<u32, Failure> {
    let act = on_start(job, &cx);
    std::thread::sleep(job.script.takes());
    if cx.is_cancelled() {
        // The worker has given up this attempt already and ignores its result.
        write(&cx, stopped(job, &cx));
        return Err(Failure::msg("the attempt was cancelled"));
    }
    finish(job, act, &cx)
}

async fn checkpoint_job(job: CheckpointJob, cx: Context<HandlerDeps>) -> Result<String, Failure> {
    let first: u64 = cx.restore().await?.unwrap_or(0);
    for step in first..job.steps {
        let until = Timestamp::from_millis(now()) + Duration::from_millis(job.step_ms);
        SystemClock.sleep_until(until).await;
        let mut file = File::options().create(true).append(true).open(&job.file)?;
        file.write_all(format!("{} {step}\n", std::process::id()).as_bytes())?;
        cx.progress(step + 1, job.steps, "working");
        cx.checkpoint(&(step + 1)).await?;
    }
    Ok("x".repeat(job.result))
}

fn on_start(job: ScriptedJob, cx: &Context<HandlerDeps>) -> Option<HandlerAct> {
    let at = now();
    let step = step(job, cx);
    let crashes = cx.crashes();
    let will = job.script.act(job.pace, step, crashes);
    let worker = cx.state().worker.clone();
    write(cx, LedgerEntry::Start { job: cx.job_id().to_string(), step, crashes, worker, at, will });
    will
}

/// A handler that has not finished. If its worker drops it, that goes to the ledger.
struct RunningHandler<'a> {
    job: ScriptedJob,
    cx: &'a Context<HandlerDeps>,
}

impl Drop for RunningHandler<'_> {
    fn drop(&mut self) {
        write(self.cx, stopped(self.job, self.cx));
    }
}

fn stopped(job: ScriptedJob, cx: &Context<HandlerDeps>) -> LedgerEntry {
    let worker = cx.state().worker.clone();
    LedgerEntry::Stopped { job: cx.job_id().to_string(), step: step(job, cx), worker, at: now() }
}

fn finish(
    scripted: ScriptedJob,
    act: Option<HandlerAct>,
    cx: &Context<HandlerDeps>,
) -> Result<u32, Failure> {
    if act == Some(HandlerAct::Abort) {
        std::process::abort();
    }
    let job = cx.job_id().to_string();
    let worker = cx.state().worker.clone();
    write(cx, LedgerEntry::Finish { job, step: step(scripted, cx), worker, at: now() });
    let failure = match act {
        Some(HandlerAct::Succeed) => return Ok(cx.attempt()),
        Some(HandlerAct::Fail) => Failure::new("ConnectionError.refused", "as scripted"),
        Some(HandlerAct::Fatal) => Failure::msg("as scripted").fatal(),
        Some(HandlerAct::Ignored) => Failure::new(IGNORED_KIND, "as scripted"),
        Some(HandlerAct::Snooze) => Failure::snooze(Script::own_delay()),
        Some(HandlerAct::Panic) => panic!("as scripted"),
        Some(HandlerAct::RetryAfter) => {
            Failure::msg("as scripted").retry_after(Script::own_delay())
        }
        Some(HandlerAct::Cancel) => Failure::cancel("as scripted"),
        Some(HandlerAct::Abort) | None => Failure::msg("this step is not in the script").fatal(),
    };
    Err(failure)
}

fn step(job: ScriptedJob, cx: &Context<HandlerDeps>) -> ScriptStep {
    job.script.step_of(ScriptStep { attempt: cx.attempt(), snoozes: cx.snoozes() })
}

fn write(cx: &Context<HandlerDeps>, entry: LedgerEntry) {
    // A handler whose action is not in the ledger must not act.
    cx.state()
        .ledger
        .write(&[entry])
        .unwrap_or_else(|err| panic!("cannot write the ledger: {err}"));
}
