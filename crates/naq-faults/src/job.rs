//! Scripted jobs: what a producer enqueues, and the handlers that do as the script says.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use naq_core::{Failure, Job, SystemClock, Timer, Timestamp};
use naq_worker::{Context, Registry};
use serde::{Deserialize, Serialize};

use crate::ledger::{Entry, Ledger, now};
use crate::script::{Act, IGNORED_KIND, Pace, Script, Step};

/// A job with an async handler.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Scripted {
    /// What its handler does.
    pub script: Script,
    /// Its delays.
    pub pace: Pace,
}

/// The same with a handler that blocks.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Blocking(pub Scripted);

impl Job for Scripted {
    const NAME: &'static str = "faults.scripted";
    type Output = u32;
}

impl Job for Blocking {
    const NAME: &'static str = "faults.blocking";
    type Output = u32;
}

/// A job of many steps, with a checkpoint after each.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Walk {
    /// How many.
    pub steps: u64,
    /// How long each takes.
    pub step_ms: u64,
    /// A file that gets a line for each: the process, the step.
    pub file: PathBuf,
    /// The size of the result.
    pub result: usize,
}

impl Job for Walk {
    const NAME: &'static str = "faults.walk";
    type Output = String;
}

/// What handlers share: where to write what they do, and under which name.
#[derive(Debug, Clone)]
pub struct Stage {
    ledger: Arc<Ledger>,
    worker: String,
}

/// The handlers of a worker that writes into `ledger`.
pub fn registry(ledger: Ledger, worker: &str) -> Registry<Stage> {
    let stage = Stage { ledger: Arc::new(ledger), worker: worker.to_owned() };
    Registry::with_state(stage).task(scripted).blocking(blocking).task(walk)
}

async fn scripted(job: Scripted, cx: Context<Stage>) -> Result<u32, Failure> {
    let act = begin(job, &cx);
    let takes = job.script.takes();
    if !takes.is_zero() {
        let until = Timestamp::from_millis(now()) + takes;
        SystemClock.sleep_until(until).await;
    }
    end(act, &cx)
}

fn blocking(Blocking(job): Blocking, cx: Context<Stage>) -> Result<u32, Failure> {
    let act = begin(job, &cx);
    std::thread::sleep(job.script.takes());
    if cx.is_cancelled() {
        // The worker has given this attempt up already: what it says now is not heard.
        return Err(Failure::msg("too late"));
    }
    end(act, &cx)
}

async fn walk(job: Walk, cx: Context<Stage>) -> Result<String, Failure> {
    let begin: u64 = cx.restore().await?.unwrap_or(0);
    for step in begin..job.steps {
        let until = Timestamp::from_millis(now()) + Duration::from_millis(job.step_ms);
        SystemClock.sleep_until(until).await;
        let mut file = File::options().create(true).append(true).open(&job.file)?;
        file.write_all(format!("{} {step}\n", std::process::id()).as_bytes())?;
        cx.progress(step + 1, job.steps, "walking");
        cx.checkpoint(&(step + 1)).await?;
    }
    Ok("x".repeat(job.result))
}

fn begin(job: Scripted, cx: &Context<Stage>) -> Option<Act> {
    let at = now();
    let (step, crashes) = (step(cx), cx.crashes());
    let will = job.script.act(job.pace, step, crashes);
    let worker = cx.state().worker.clone();
    write(cx, Entry::Start { job: cx.job_id().to_string(), step, crashes, worker, at, will });
    will
}

fn end(act: Option<Act>, cx: &Context<Stage>) -> Result<u32, Failure> {
    if act == Some(Act::Abort) {
        std::process::abort();
    }
    let (job, worker) = (cx.job_id().to_string(), cx.state().worker.clone());
    write(cx, Entry::Finish { job, step: step(cx), worker, at: now() });
    let failure = match act {
        Some(Act::Succeed) => return Ok(cx.attempt()),
        Some(Act::Fail) => Failure::new("ConnectionError.refused", "as scripted"),
        Some(Act::Fatal) => Failure::msg("as scripted").fatal(),
        Some(Act::Ignored) => Failure::new(IGNORED_KIND, "as scripted"),
        Some(Act::Snooze) => Failure::snooze(Script::own_delay()),
        Some(Act::Panic) => panic!("as scripted"),
        Some(Act::RetryAfter) => Failure::msg("as scripted").retry_after(Script::own_delay()),
        Some(Act::Cancel) => Failure::cancel("as scripted"),
        Some(Act::Abort) | None => Failure::msg("not in the script").fatal(),
    };
    Err(failure)
}

fn step(cx: &Context<Stage>) -> Step {
    Step { attempt: cx.attempt(), snoozes: cx.snoozes() }
}

fn write(cx: &Context<Stage>, entry: Entry) {
    // A handler that cannot write down what it does must not do it.
    cx.state().ledger.write(&[entry]).unwrap_or_else(|err| panic!("the ledger: {err}"));
}
