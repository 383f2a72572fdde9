//! [`DeliveryOutcome`]: what happened to a delivery in its slot.

use std::time::Duration;

use naq_core::retry::{self, AttemptFacts, Decision, decide};
use naq_core::seal::OpenError;
use naq_core::sign::SignatureFault;
use naq_core::wire::DecodeError;
use naq_core::{Advice, Envelope, Failure, Payload, Timestamp};

use crate::delivery::StopReason;
use crate::gates::{GateExit, HoldBack};

/// What happened to a delivery in its slot.
#[derive(Debug)]
pub(crate) enum DeliveryOutcome {
    /// The body cannot be read as a job.
    Undecodable(DecodeError),
    /// Its queue takes only signed jobs, and the signature is missing or not accepted. Nothing that the
    /// job says is true.
    Unverified(Box<Envelope>, SignatureFault),
    /// The attempt did not start: the policy or a gate decided so.
    NotRun(Envelope, Decision),
    /// A gate holds the job back.
    HeldBack(Envelope, HoldBack),
    /// This worker has no handler for the task.
    UnknownTask(Envelope),
    /// The arguments are in a blob that this worker cannot read, for this reason.
    ArgsMissing(Envelope, String),
    /// This worker cannot decrypt the arguments.
    Undecryptable(Envelope, OpenError),
    /// The handler ran to its end.
    Ran(FinishedRun),
    /// The worker stops. The attempt does not count.
    Interrupted,
    /// An operator cancelled the job, and has recorded that.
    Cancelled,
    /// The lease is lost: another worker may have the job.
    LeaseLost,
}

/// An attempt whose handler ran to its end.
#[derive(Debug)]
pub(crate) struct FinishedRun {
    pub(crate) envelope: Envelope,
    pub(crate) times: RunTimes,
    pub(crate) result: RunResult,
}

/// How handler and fallback ended.
#[derive(Debug)]
pub(crate) enum RunResult {
    /// The handler returned this.
    Completed(Payload),
    /// The handler failed, and the fallback returned this.
    CompletedByFallback { result: Payload, failure: Failure, decision: Decision },
    /// The handler failed, and so did the fallback if there is one. `decision` was made when the
    /// handler failed; the fallback does not change it.
    Failed { failure: Failure, decision: Decision },
}

/// When an attempt began and ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunTimes {
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Timestamp,
}

impl RunTimes {
    /// An attempt that starts now.
    pub(crate) fn starting(now: Timestamp) -> Self {
        Self { started_at: now, ended_at: now }
    }

    pub(crate) fn took(&self) -> Duration {
        self.ended_at.since(self.started_at)
    }
}

impl DeliveryOutcome {
    /// The job, where it is known and may be believed.
    pub(crate) fn envelope(&self) -> Option<&Envelope> {
        match self {
            Self::NotRun(job, _)
            | Self::HeldBack(job, _)
            | Self::UnknownTask(job)
            | Self::ArgsMissing(job, _)
            | Self::Undecryptable(job, _) => Some(job),
            Self::Ran(run) => Some(&run.envelope),
            Self::Undecodable(_)
            | Self::Unverified(..)
            | Self::Interrupted
            | Self::Cancelled
            | Self::LeaseLost => None,
        }
    }

    /// Whether another attempt of the job may follow.
    pub(crate) fn may_run_again(&self) -> bool {
        match self {
            Self::Ran(run) => matches!(run.result, RunResult::Failed { .. }),
            outcome => matches!(outcome, Self::Interrupted),
        }
    }

    /// How the call of the handler ended, for the gates.
    pub(crate) fn gate_exit(&self) -> GateExit {
        let Self::Ran(run) = self else { return GateExit::Undecided };
        match &run.result {
            RunResult::Completed(_) => GateExit::Succeeded,
            RunResult::CompletedByFallback { failure, .. } => {
                GateExit::Failed(failure.kind().clone())
            }
            RunResult::Failed { failure, .. } => match failure.advice() {
                Advice::Snooze(_) | Advice::Cancel => GateExit::Undecided,
                _ => GateExit::Failed(failure.kind().clone()),
            },
        }
    }
}

/// The outcome of a delivery that was stopped.
impl From<StopReason> for DeliveryOutcome {
    fn from(reason: StopReason) -> Self {
        match reason {
            StopReason::Shutdown => Self::Interrupted,
            StopReason::Cancelled => Self::Cancelled,
            StopReason::LeaseLost => Self::LeaseLost,
        }
    }
}

/// What the retry policy needs to know about the attempt.
pub(crate) fn attempt_facts(
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

/// What follows a failure, by the job's policy.
pub(crate) fn decide_failure(envelope: &Envelope, times: RunTimes, failure: &Failure) -> Decision {
    let facts = attempt_facts(envelope, times.started_at, times.ended_at);
    let outcome = retry::Outcome::Failed { kind: failure.kind(), advice: failure.advice() };
    decide(&envelope.policy, &facts, &outcome)
}
