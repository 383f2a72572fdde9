//! [`Decider`]: from the outcome of a delivery to its settlement.

use std::time::Duration;

use naq_core::redact::Redactor;
use naq_core::retry::{self, Action, AttemptFacts, Decision, RetryPolicy, Rule, decide};
use naq_core::stats::Ending;
use naq_core::transport::{Fact, Stored};
use naq_core::wire::{AttemptOutcome, AttemptRecord, DecodeError};
use naq_core::{
    Advice, Envelope, ErrorKind, Failure, FinalRecord, JobState, Payload, Timestamp, WorkerId,
};

use super::{DeliveryOutcome, FinishedRun, RunResult, Settlement, Times, attempt_facts};
use crate::gates::HoldBack;
use crate::handler::Tasks;
use crate::report::{CountedEnding, ending_of_state, log};

/// What a settlement depends on besides the outcome.
#[derive(Debug)]
pub(crate) struct Decider<'a> {
    pub(crate) worker: &'a WorkerId,
    /// How long a task may stay unknown.
    pub(crate) unknown_tasks: &'a RetryPolicy,
    /// The tasks that have a handler here.
    pub(crate) tasks: &'a Tasks,
    pub(crate) redactor: &'a Redactor,
    pub(crate) now: Timestamp,
}

/// A settlement, and how it counts once it is stored.
#[derive(Debug)]
pub(crate) struct DecidedSettlement {
    pub(crate) settlement: Settlement,
    pub(crate) ending: CountedEnding,
}

impl DecidedSettlement {
    pub(super) fn new(settlement: Settlement, ending: CountedEnding) -> Self {
        Self { settlement, ending }
    }

    fn interrupted(settlement: Settlement) -> Self {
        Self::new(settlement, CountedEnding::of(Ending::Interrupted))
    }

    pub(super) fn with_error(self, failure: &Failure, rule: Rule) -> Self {
        Self { ending: self.ending.with_error(failure, rule), ..self }
    }
}

impl Decider<'_> {
    pub(crate) fn decide(&self, stored: &Stored, outcome: DeliveryOutcome) -> DecidedSettlement {
        match outcome {
            DeliveryOutcome::Undecodable(err) => self.undecodable(stored, &err),
            DeliveryOutcome::NotRun(job, decision) => self.not_run(stored, job, &decision),
            DeliveryOutcome::HeldBack(job, hold) => self.held_back(stored, job, hold),
            DeliveryOutcome::UnknownTask(job) => self.unknown_task(stored, job),
            DeliveryOutcome::Ran(run) => self.ran(stored, run),
            DeliveryOutcome::Interrupted => DecidedSettlement::interrupted(Settlement::GiveBack),
            // The client that recorded the cancellation has counted it.
            DeliveryOutcome::Cancelled => DecidedSettlement::interrupted(Settlement::Ack),
            DeliveryOutcome::LeaseLost => DecidedSettlement::interrupted(Settlement::Abandon),
        }
    }

    fn undecodable(&self, stored: &Stored, err: &DecodeError) -> DecidedSettlement {
        let failure = Failure::new(ErrorKind::DECODE, err.to_string()).redacted(self.redactor);
        let decision = Decision::new(Action::Dead, Rule::Undecodable);
        tracing::error!(job = %stored.key, "dead: {}: {}", decision.reason(), failure.message());
        self.bury(stored, None, &failure, &decision)
    }

    fn not_run(&self, stored: &Stored, job: Envelope, decision: &Decision) -> DecidedSettlement {
        let _span = log::span(&job).entered();
        log::not_run(&job, decision);
        let record = self.attempt_record(&job, AttemptOutcome::NotRun, decision);
        if decision.action == Action::Dead {
            let failure = Failure::new(ErrorKind::CRASH, decision.reason());
            return self.die(stored, job, record, &failure, decision);
        }
        let state = match decision.action {
            Action::Cancel => JobState::Cancelled,
            _ => JobState::Expired,
        };
        self.end(stored, job, record, state)
    }

    /// The job goes on waiting. Neither an attempt nor a crash is counted.
    fn held_back(&self, stored: &Stored, mut job: Envelope, hold: HoldBack) -> DecidedSettlement {
        let HoldBack { until, rule, reason, dependencies_met } = hold;
        if dependencies_met {
            waive_dependencies(&mut job);
        }
        // At its deadline it comes back, to expire.
        let late = job.deadline.map(|deadline| deadline + Duration::from_millis(1));
        let until = late.map_or(until, |late| late.min(until));
        let delay = until.since(self.now);
        let decision = Decision::saying(Action::Snooze { delay, at: until }, rule, reason);
        let _span = log::span(&job).entered();
        log::held_back(&job, &decision);
        let record = self.attempt_record(&job, AttemptOutcome::HeldBack, &decision);
        job.snoozes = job.snoozes.saturating_add(1);
        let failure = Failure::new(ErrorKind::ERROR, decision.reason());
        let again = self.run_again(stored, job, record, &failure, &decision, until);
        DecidedSettlement { ending: CountedEnding::of(Ending::HeldBack), ..again }
    }

    /// A snooze, since no attempt was made. The history has a record for each time that a worker
    /// looked for a handler; they are counted there.
    fn unknown_task(&self, stored: &Stored, mut job: Envelope) -> DecidedSettlement {
        let _span = log::span(&job).entered();
        let looked = job
            .history
            .iter()
            .rev()
            .take_while(|r| r.error_kind.as_ref() == Some(&ErrorKind::UNKNOWN_TASK))
            .count();
        let facts = AttemptFacts {
            attempt: u32::try_from(looked).unwrap_or(u32::MAX).saturating_add(1),
            crashes: 0,
            ..attempt_facts(&job, self.now, self.now)
        };
        let outcome =
            retry::Outcome::Failed { kind: &ErrorKind::UNKNOWN_TASK, advice: Advice::Policy };
        let action = match decide(self.unknown_tasks, &facts, &outcome).action {
            Action::Retry { delay, at } => Action::Snooze { delay, at },
            _ => Action::Dead,
        };
        let decision = Decision::new(action, Rule::UnknownTask);
        let known = self.tasks.some_names();
        let message = format!("no handler for task {:?}; known: {known}", job.task);
        log::unknown_task(&message, &decision);
        let failure = Failure::new(ErrorKind::UNKNOWN_TASK, message);
        let mut record = self.attempt_record(&job, AttemptOutcome::NotRun, &decision);
        record.error_kind = Some(ErrorKind::UNKNOWN_TASK);
        record.message = Some(failure.message().to_owned());
        let Action::Snooze { at, .. } = action else {
            return self.die(stored, job, record, &failure, &decision);
        };
        job.snoozes = job.snoozes.saturating_add(1);
        let again = self.run_again(stored, job, record, &failure, &decision, at);
        again.with_error(&failure, decision.rule)
    }

    fn ran(&self, stored: &Stored, run: FinishedRun) -> DecidedSettlement {
        let FinishedRun { mut envelope, times, result } = run;
        let _span = log::span(&envelope).entered();
        envelope.first_started_at.get_or_insert(times.started_at);
        waive_dependencies(&mut envelope);
        match result {
            RunResult::Completed(result) => {
                log::succeeded(&envelope, times.took());
                let facts = attempt_facts(&envelope, times.started_at, times.ended_at);
                let decision = decide(&envelope.policy, &facts, &retry::Outcome::Completed);
                let how = AttemptOutcome::Completed;
                let record = self.record_of_run(&envelope, times, how, &decision);
                self.completed(stored, envelope, times, result, record)
            }
            RunResult::CompletedByFallback { result, failure, decision } => {
                log::completed_by_fallback(&decision);
                let how = AttemptOutcome::Completed;
                let mut record = self.record_of_run(&envelope, times, how, &decision);
                record.error_kind = Some(failure.kind().clone());
                record.message = Some(failure.message().to_owned());
                let completed = self.completed(stored, envelope, times, result, record);
                match completed.ending.ending {
                    Ending::Completed => completed.with_error(&failure, decision.rule),
                    _ => completed,
                }
            }
            RunResult::Failed { failure, decision } => {
                self.failed(stored, envelope, times, &failure, &decision)
            }
        }
    }

    fn completed(
        &self,
        stored: &Stored,
        mut envelope: Envelope,
        times: Times,
        result: Payload,
        record: AttemptRecord,
    ) -> DecidedSettlement {
        let ending = CountedEnding::of(Ending::Completed);
        if envelope.record_ttl.is_zero() {
            return DecidedSettlement::new(Settlement::Ack, ending);
        }
        envelope.record(record);
        let record = FinalRecord {
            envelope,
            state: JobState::Completed,
            finished_at: times.ended_at,
            result: Some(result),
        };
        match Fact::record(stored, &record) {
            Ok(Some(fact)) => DecidedSettlement::new(Settlement::StoreResult(fact, times), ending),
            Ok(None) => DecidedSettlement::new(Settlement::Ack, ending),
            Err(err) => {
                let mut envelope = record.envelope;
                envelope.history.pop();
                let failure = Failure::new(ErrorKind::VALUE, err.to_string()).fatal();
                self.failed_after_run(stored, envelope, times, &failure)
            }
        }
    }

    /// A job whose result the broker does not take. The result of another attempt would be as large.
    pub(crate) fn result_too_large(
        &self,
        stored: &Stored,
        job: Result<Envelope, DecodeError>,
        times: Times,
        reason: &str,
    ) -> DecidedSettlement {
        let text = format!(
            "the result: {reason}: store the data elsewhere and return its key, or let the worker \
             keep large results"
        );
        let failure = Failure::new(ErrorKind::RESULT_TOO_LARGE, text).fatal();
        match job {
            Ok(envelope) => {
                let _span = log::span(&envelope).entered();
                self.failed_after_run(stored, envelope, times, &failure)
            }
            Err(err) => self.undecodable(stored, &err),
        }
    }

    /// The job ends as `state` says.
    pub(super) fn end(
        &self,
        stored: &Stored,
        mut envelope: Envelope,
        record: AttemptRecord,
        state: JobState,
    ) -> DecidedSettlement {
        envelope.record(record);
        let record = FinalRecord { envelope, state, finished_at: self.now, result: None };
        let settlement = match Fact::record(stored, &record) {
            Ok(Some(fact)) => Settlement::Store(fact),
            // The job wants no record, or none can be written. It ends all the same.
            Ok(None) | Err(_) => Settlement::Ack,
        };
        DecidedSettlement::new(settlement, CountedEnding::of(ending_of_state(state)))
    }
}

/// The jobs that this job depends on have ended: from now on it does not wait for them again.
fn waive_dependencies(job: &mut Envelope) {
    if let Some(depends) = &mut job.depends_on {
        depends.waived = true;
    }
}
