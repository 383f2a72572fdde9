//! [`Script`]: what the handler of a job does, one step for each run. It is in the job's arguments.

use std::time::Duration;

use naq_core::{Clock, ErrorKind, Failure, SystemClock, Timer};
use naq_worker::Context;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{HandlerRun, RunLog};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Script {
    pub(crate) steps: Vec<Step>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) takes_ms: u64,
}

/// How one run of the handler ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    Ok,
    Fail(String, String),
    Fatal(String, String),
    Snooze(u64),
    Cancel,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), takes_ms: 0 }
    }
}

impl Step {
    pub(crate) fn fail(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::Fail(kind.as_str().to_owned(), message.into())
    }

    pub(crate) fn fatal(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::Fatal(kind.as_str().to_owned(), message.into())
    }
}

/// The handler of every task. It writes to the run log before it returns to the worker. Runs after the
/// last step repeat the last step.
pub(crate) async fn run(args: Value, cx: Context<RunLog>) -> Result<Value, Failure> {
    let script: Script = serde_json::from_value(args["script"].clone())
        .map_err(|err| Failure::new(ErrorKind::VALUE, err.to_string()).fatal())?;
    let runs = (cx.attempt() - 1 + cx.snoozes()) as usize;
    let step = script.steps.get(runs).or(script.steps.last()).cloned().unwrap_or(Step::Ok);
    if script.takes_ms > 0 {
        let end = SystemClock.now() + Duration::from_millis(script.takes_ms);
        tokio::select! {
            () = SystemClock.sleep_until(end) => {}
            () = cx.cancelled() => {}
        }
    }
    cx.state().write(HandlerRun {
        job: cx.job_id().clone(),
        queue: cx.queue().clone(),
        task: cx.task().clone(),
        attempt: cx.attempt(),
        step: step.clone(),
    });
    let failure = |kind: String, message| match ErrorKind::new(kind) {
        Ok(kind) => Failure::new(kind, message),
        Err(err) => Failure::new(ErrorKind::VALUE, err.to_string()),
    };
    match step {
        Step::Ok => Ok(json!({ "attempt": cx.attempt() })),
        Step::Fail(kind, message) => Err(failure(kind, message)),
        Step::Fatal(kind, message) => Err(failure(kind, message).fatal()),
        Step::Snooze(ms) => Err(Failure::snooze(Duration::from_millis(ms))),
        Step::Cancel => Err(Failure::cancel("the order was withdrawn")),
    }
}
