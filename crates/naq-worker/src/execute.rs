//! One attempt, as a pipeline of steps that ends in one [`Outcome`]. Nothing here acks.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use naq_client::Client;
use naq_core::flow::Limit;
use naq_core::redact::Redactor;
use naq_core::retry::{AttemptFacts, Decision, Rule, Start, decide_start};
use naq_core::transport::Delivery;
use naq_core::wire::{AttemptOutcome, AttemptRecord, DecodeError, MAX_HISTORY};
use naq_core::{Advice, Envelope, ErrorKind, Failure, Payload, Timer, Timestamp, WorkerId};
use tracing::Instrument;

use crate::context::{Context, Scene};
use crate::fallback::{self, Fallback};
use crate::gates::{Asked, Entered, Entry, Gates, Left};
use crate::guarded::{self, End, STOP_GRACE};
use crate::handler::Handler;
use crate::held::{Held, StopReason};
use crate::outage::backoff;
use crate::story;
use crate::tasks::{Task, Tasks};

/// What every attempt of a worker has around it.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) worker: WorkerId,
    pub(crate) client: Client,
    pub(crate) timer: Arc<dyn Timer>,
    pub(crate) tasks: Tasks,
    pub(crate) gates: Gates,
    pub(crate) redactor: Redactor,
}

/// What became of a delivery in its slot.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The body is no job.
    Undecodable(DecodeError),
    /// The policy says that this attempt does not begin.
    NotRun(Envelope, Decision),
    /// A gate holds it back until then, and says why.
    Parked(Envelope, Entry),
    /// No handler of that name is here.
    UnknownTask(Envelope),
    /// The handler ran to its end.
    Ran(Ran),
    /// The worker stops; the attempt does not count.
    Interrupted,
    /// An operator cancelled the job, and has recorded it.
    Cancelled,
    /// The lease is lost: the job is no longer ours.
    LeaseLost,
}

impl Outcome {
    /// The job, where it is known.
    pub(crate) fn job(&self) -> Option<&Envelope> {
        match self {
            Self::NotRun(job, _) | Self::Parked(job, _) | Self::UnknownTask(job) => Some(job),
            Self::Ran(ran) => Some(&ran.envelope),
            _ => None,
        }
    }

    /// Whether an attempt was made, and whether it failed: for the worker's counts.
    pub(crate) fn tally(&self) -> (bool, bool) {
        match self {
            Self::Ran(ran) => {
                let failed =
                    |f: &Failure| !matches!(f.advice(), Advice::Snooze(_) | Advice::Cancel);
                (true, ran.result.as_ref().is_err_and(failed))
            }
            Self::Undecodable(_) => (true, true),
            Self::NotRun(..) | Self::UnknownTask(_) => (true, false),
            Self::Parked(..) | Self::Interrupted | Self::Cancelled | Self::LeaseLost => {
                (false, false)
            }
        }
    }
}

/// An attempt that ran.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) envelope: Envelope,
    pub(crate) times: Times,
    pub(crate) result: Result<Payload, Failure>,
    /// How its fallback ended, where that ran.
    pub(crate) fallback: Option<Box<Fallback>>,
}

/// From when to when an attempt ran.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Timestamp,
}

/// Runs one delivery.
pub(crate) async fn execute(stage: &Stage, held: &Arc<Held>) -> Outcome {
    if let Some(reason) = held.stop_reason() {
        return stopped(reason);
    }
    let envelope = match decode(&held.delivery) {
        Ok(envelope) => envelope,
        Err(err) => return Outcome::Undecodable(err),
    };
    let now = stage.timer.now();
    if let Start::Stop(decision) = may_start(&envelope, now) {
        held.kept.not_run(&envelope);
        return Outcome::NotRun(envelope, decision);
    }
    let Some(task) = stage.tasks.get(&envelope.task) else {
        return Outcome::UnknownTask(envelope);
    };
    let span = story::span(&envelope);
    if !stage.gates.guard(&envelope) {
        return run(stage, held, task, envelope, now).instrument(span).await;
    }
    through_gates(stage, held, task, envelope).instrument(span).await
}

/// An attempt that has to pass gates first, and leaves them when it is over.
async fn through_gates(
    stage: &Stage,
    held: &Arc<Held>,
    task: &Task,
    mut envelope: Envelope,
) -> Outcome {
    let (mut failures, mut entered) = (0, Entered::default());
    let stored = &held.delivery.stored;
    let asked = loop {
        if let Some(reason) = held.stop_reason() {
            return stopped(reason);
        }
        let now = stage.timer.now();
        let asked = tokio::select! {
            biased;
            asked = stage.gates.enter(&envelope, stored, now, &mut entered) => asked,
            () = out_of_patience(stage, held) => {
                entered.leave(&envelope, stored, &Left::Undecided, stage.timer.now()).await;
                continue;
            }
        };
        match asked {
            Ok(asked) => break asked,
            Err(err) => {
                failures += 1;
                tracing::warn!("a gate cannot be asked: {err}");
                let again = stage.timer.now() + backoff(failures);
                tokio::select! {
                    () = stage.timer.sleep_until(again) => {}
                    () = held.cancel.cancelled() => {}
                }
            }
        }
    };
    match (held.stop_reason(), &asked) {
        // It waits, and that is written.
        (None, _) | (Some(StopReason::Shutdown), Asked::Held(_)) => {}
        (Some(reason), _) => {
            entered.leave(&envelope, stored, &Left::Undecided, stage.timer.now()).await;
            return stopped(reason);
        }
    }
    match asked {
        Asked::Held(Entry::Stop(decision)) => {
            held.kept.not_run(&envelope);
            Outcome::NotRun(envelope, decision)
        }
        Asked::Held(Entry::Reserve { until, reason, limits }) => {
            envelope.limits = limits;
            Outcome::Parked(envelope, Entry::Park { until, rule: Rule::Limit, reason })
        }
        Asked::Held(entry) => Outcome::Parked(envelope, entry),
        Asked::Pass => {
            let (job, now) = (envelope.clone(), stage.timer.now());
            // A start is for one attempt; the next one asks again.
            envelope.limits.iter_mut().for_each(Limit::started);
            let ran = AssertUnwindSafe(run(stage, held, task, envelope, now)).catch_unwind().await;
            // Whatever has panicked outside the handler's guard: let go, it comes back as a crash.
            let outcome = ran.unwrap_or(Outcome::LeaseLost);
            entered.leave(&job, stored, &left(&outcome), stage.timer.now()).await;
            outcome
        }
    }
}

/// It was told to stop a while ago: an answer of a gate that was on its way then had time to come,
/// so that what it gave can be given back.
async fn out_of_patience(stage: &Stage, held: &Held) {
    held.cancel.cancelled().await;
    stage.timer.sleep_until(stage.timer.now() + STOP_GRACE).await;
}

fn left(outcome: &Outcome) -> Left {
    match outcome {
        Outcome::Ran(ran) => match (&ran.result, ran.fallback.as_deref()) {
            (Ok(_), Some(Fallback::Saved { failure, .. })) => Left::Failed(failure.kind().clone()),
            (Ok(_), _) => Left::Succeeded,
            (Err(failure), _) => match failure.advice() {
                Advice::Snooze(_) | Advice::Cancel => Left::Undecided,
                _ => Left::Failed(failure.kind().clone()),
            },
        },
        _ => Left::Undecided,
    }
}

/// The job, with a record of every death that this delivery tells of.
pub(crate) fn decode(delivery: &Delivery) -> Result<Envelope, DecodeError> {
    let mut envelope = delivery.envelope()?;
    let deaths = delivery.delivered.saturating_sub(1) as usize;
    for _ in 0..deaths.min(MAX_HISTORY) {
        let mut record = AttemptRecord::new(envelope.attempt, AttemptOutcome::Crashed);
        record.error_kind = Some(ErrorKind::CRASH);
        record.message = Some("the worker died, or lost its lease".to_owned());
        envelope.record(record);
    }
    Ok(envelope)
}

fn may_start(envelope: &Envelope, now: Timestamp) -> Start {
    decide_start(&envelope.policy, &facts(envelope, now, now))
}

pub(crate) fn facts(
    envelope: &Envelope,
    started_at: Timestamp,
    now: Timestamp,
) -> AttemptFacts<'_> {
    AttemptFacts {
        job_id: &envelope.id,
        attempt: envelope.attempt,
        crashes: envelope.crashes,
        first_started_at: envelope.first_started_at.unwrap_or(started_at),
        deadline: envelope.deadline,
        now,
    }
}

async fn run(
    stage: &Stage,
    held: &Arc<Held>,
    task: &Task,
    envelope: Envelope,
    started_at: Timestamp,
) -> Outcome {
    story::started(&envelope);
    held.begin(started_at);
    held.trace.begin(&envelope);
    let outcome = held.trace.within(perform(stage, held, task, envelope, started_at)).await;
    let goes_on = match &outcome {
        Outcome::Ran(ran) => ran.result.is_err(),
        outcome => matches!(outcome, Outcome::Interrupted),
    };
    let transport = stage.client.transport();
    held.kept.progress.close(goes_on, &**transport, &*stage.timer).await;
    outcome
}

async fn perform(
    stage: &Stage,
    held: &Arc<Held>,
    task: &Task,
    envelope: Envelope,
    started_at: Timestamp,
) -> Outcome {
    let scene = Arc::new(Scene::new(stage, held, envelope));
    let result = match attempt(stage, held, &task.handler, &scene).await {
        Ok(result) => result,
        Err(reason) => return stopped(reason),
    };
    // Whoever the handler gave its context to may hold it still.
    let envelope = Arc::try_unwrap(scene)
        .map_or_else(|shared| shared.envelope.clone(), |scene| scene.envelope);
    let times = Times { started_at, ended_at: stage.timer.now() };
    match (result, &task.fallback) {
        (Err(failure), Some(fallback)) => {
            fallback::run(stage, held, fallback, envelope, times, failure).await
        }
        (result, _) => Outcome::Ran(Ran { envelope, times, result, fallback: None }),
    }
}

/// One call of a handler, of whatever becomes of it. An error tells why it had to stop.
pub(crate) async fn attempt(
    stage: &Stage,
    held: &Held,
    handler: &Handler,
    scene: &Arc<Scene>,
) -> Result<Result<Payload, Failure>, StopReason> {
    let timeout = scene.envelope.timeout;
    // The call clones the state, which is the user's code as well.
    let end = match guarded::call(|| handler(Context::new(scene.clone()))) {
        Ok(future) => guarded::run(future, held, &*stage.timer, timeout).await,
        Err(message) => End::Panicked(message),
    };
    let result = match end {
        End::Returned(result) => result.map_err(|failure| classify(&stage.tasks, failure)),
        End::Panicked(message) => Err(Failure::new(ErrorKind::PANIC, message)),
        End::TimedOut => {
            let limit = humantime::format_duration(timeout.unwrap_or_default());
            Err(Failure::new(ErrorKind::TIMEOUT, format!("took longer than its timeout, {limit}")))
        }
        End::Stopped(reason) => return Err(reason),
    };
    // Before anybody stores, logs or counts it.
    Ok(result.map_err(|failure| failure.redacted(&stage.redactor)))
}

/// A classifier is the user's code too.
fn classify(tasks: &Tasks, failure: Failure) -> Failure {
    guarded::call(|| tasks.classify(failure)).unwrap_or_else(|message| {
        Failure::new(ErrorKind::PANIC, format!("while the error was classified: {message}"))
    })
}

/// What becomes of a delivery whose handler was told to stop.
pub(crate) fn stopped(reason: StopReason) -> Outcome {
    match reason {
        StopReason::Shutdown => Outcome::Interrupted,
        StopReason::Cancelled => Outcome::Cancelled,
        StopReason::LeaseLost => Outcome::LeaseLost,
    }
}
