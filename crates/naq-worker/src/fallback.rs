//! The fallback: what runs when a failure of the handler would be the end of the job.

use std::sync::Arc;

use naq_core::retry::{self, Action, Decision, Rule, decide};
use naq_core::wire::{AttemptOutcome, AttemptRecord};
use naq_core::{Envelope, Failure};

use crate::context::Scene;
use crate::execute::{Outcome, Ran, Stage, Times, attempt, facts, stopped};
use crate::handler::Handler;
use crate::held::Held;

/// How the fallback of a job ended.
#[derive(Debug)]
pub(crate) enum Fallback {
    /// Well. The job is completed, though its handler failed with this.
    Saved { failure: Failure, decision: Decision },
    /// With this error of its own.
    Failed(Failure),
}

impl Fallback {
    /// A death after which the fallback failed too says so.
    pub(crate) fn noted(&self, decision: Decision) -> Decision {
        let Self::Failed(failure) = self else { return decision };
        let reason = format!("{}; the fallback failed with {failure}", decision.reason());
        Decision::saying(decision.action, decision.rule, reason)
    }
}

/// What becomes of a job whose handler has failed: the fallback runs if this is the end of it.
pub(crate) async fn run(
    stage: &Stage,
    held: &Arc<Held>,
    fallback: &Handler,
    envelope: Envelope,
    mut times: Times,
    failure: Failure,
) -> Outcome {
    let facts = facts(&envelope, times.started_at, times.ended_at);
    let failed = retry::Outcome::Failed { kind: failure.kind(), advice: failure.advice() };
    let decision = decide(&envelope.policy, &facts, &failed);
    if decision.action != Action::Dead {
        return Outcome::Ran(Ran { envelope, times, result: Err(failure), fallback: None });
    }
    let scene = Arc::new(Scene::new(stage, held, after(&envelope, &failure)));
    let (result, how) = match attempt(stage, held, fallback, &scene).await {
        Err(reason) => return stopped(reason),
        Ok(Err(own)) => (Err(failure), Fallback::Failed(own)),
        Ok(Ok(result)) => {
            let reason = format!("{}: the fallback completed the job", decision.reason());
            let decision = Decision::saying(Action::Complete, Rule::Fallback, reason);
            (Ok(result), Fallback::Saved { failure, decision })
        }
    };
    times.ended_at = stage.timer.now();
    Outcome::Ran(Ran { envelope, times, result, fallback: Some(Box::new(how)) })
}

/// The job as its fallback sees it: with the failure at the end of its history.
fn after(envelope: &Envelope, failure: &Failure) -> Envelope {
    let mut envelope = envelope.clone();
    let mut record = AttemptRecord::new(envelope.attempt, AttemptOutcome::Failed);
    record.error_kind = Some(failure.kind().clone());
    record.message = Some(failure.message().to_owned());
    envelope.record(record);
    envelope
}
