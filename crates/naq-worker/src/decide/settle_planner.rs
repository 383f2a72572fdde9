//! [`SettlePlanner`]: from the outcome of a delivery to its settlement.

use std::time::Duration;

use naq_core::redact::Redactor;
use naq_core::retry::{self, Action, AttemptFacts, Decision, RetryPolicy, Rule, decide};
use naq_core::seal::OpenError;
use naq_core::stats::Ending;
use naq_core::transport::{Fact, Stored};
use naq_core::wire::{AttemptOutcome, AttemptRecord, DecodeError};
use naq_core::{
    Advice, Envelope, ErrorKind, Failure, FinalRecord, JobState, Payload, Timestamp, WorkerId,
};

use super::{DeliveryOutcome, FinishedRun, RunResult, RunTimes, Settlement, attempt_facts};
use crate::gates::HoldBack;
use crate::handler::TaskTable;
use crate::report::{ObservedEnding, attempt_log, ending_of_state};

/// What a settlement depends on besides the outcome.
#[derive(Debug)]
pub(crate) struct SettlePlanner<'a> {
    pub(crate) worker_id: &'a WorkerId,
    /// How long a task may stay unknown.
    pub(crate) unknown_tasks: &'a RetryPolicy,
    /// The tasks that have a handler here.
    pub(crate) tasks: &'a TaskTable,
    pub(crate) redactor: &'a Redactor,
    pub(crate) now: Timestamp,
}

/// How long a job of a newer format waits in the queue for a worker that knows the format. A rolling upgrade
/// takes less, and a job that no worker ever understands does not stay for ever.
const UPGRADE_PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// A settlement, and how it counts once it is stored.
#[derive(Debug)]
pub(crate) struct SettlePlan {
    pub(crate) settlement: Settlement,
    pub(crate) ending: ObservedEnding,
}

impl SettlePlan {
    pub(super) fn new(settlement: Settlement, ending: ObservedEnding) -> Self {
        Self { settlement, ending }
    }

    fn interrupted(settlement: Settlement) -> Self {
        Self::new(settlement, ObservedEnding::of(Ending::Interrupted))
    }

    pub(super) fn with_error(self, failure: &Failure, rule: Rule) -> Self {
        Self { ending: self.ending.with_error(failure, rule), ..self }
    }
}

impl SettlePlanner<'_> {
    pub(crate) fn plan(&self, stored: &Stored, outcome: DeliveryOutcome) -> SettlePlan {
        match outcome {
            DeliveryOutcome::Undecodable(err) => self.undecodable(stored, &err),
            DeliveryOutcome::Unverified(job, fault) => self.unverified(stored, &job, &fault),
            DeliveryOutcome::NotRun(job, decision) => self.not_run(stored, job, &decision),
            DeliveryOutcome::HeldBack(job, hold) => self.held_back(stored, job, hold),
            DeliveryOutcome::UnknownTask(job) => self.unknown_task(stored, job),
            DeliveryOutcome::ArgsMissing(job, why) => self.args_missing(stored, job, &why),
            DeliveryOutcome::Undecryptable(job, fault) => self.undecryptable(stored, job, &fault),
            DeliveryOutcome::Ran(run) => self.finished(stored, run),
            DeliveryOutcome::Interrupted => SettlePlan::interrupted(Settlement::GiveBack),
            // The client that recorded the cancellation has counted it.
            DeliveryOutcome::Cancelled => SettlePlan::interrupted(Settlement::EndCancelled),
            DeliveryOutcome::LeaseLost => SettlePlan::interrupted(Settlement::Abandon),
        }
    }

    /// A newer version of NAQ wrote the job: a worker of that version may run it. This one leaves it, and the
    /// broker offers it again after the lease. Nothing is stored, because nothing of the job is known.
    fn undecodable(&self, stored: &Stored, err: &DecodeError) -> SettlePlan {
        let waits_for_upgrade = matches!(err, DecodeError::Version { .. });
        if waits_for_upgrade && self.now.since(stored.stored_at) < UPGRADE_PATIENCE {
            tracing::warn!(job = %stored.key, "left to a newer worker: {err}");
            return SettlePlan::interrupted(Settlement::Abandon);
        }
        let failure = Failure::new(ErrorKind::DECODE, err.to_string()).redacted(self.redactor);
        let decision = Decision::new(Action::Dead, Rule::Undecodable);
        tracing::error!(job = %stored.key, "dead: {}: {}", decision.reason(), failure.message());
        self.store_death(stored, None, &failure, &decision)
    }

    fn not_run(&self, stored: &Stored, job: Envelope, decision: &Decision) -> SettlePlan {
        let _span = attempt_log::span(&job).entered();
        attempt_log::not_run(&job, decision);
        let record = self.attempt_record(&job, AttemptOutcome::NotRun, decision);
        if decision.action == Action::Dead {
            let failure = Failure::new(ErrorKind::CRASH, decision.reason());
            return self.end_dead(stored, job, record, &failure, decision);
        }
        let state = match decision.action {
            Action::Cancel => JobState::Cancelled,
            _ => JobState::Expired,
        };
        self.end_job(stored, job, record, state)
    }

    /// The job waits in the broker. Neither an attempt nor a crash is counted.
    fn held_back(&self, stored: &Stored, mut job: Envelope, hold: HoldBack) -> SettlePlan {
        let HoldBack { until, rule, by, reason, dependencies_met } = hold;
        if dependencies_met {
            waive_dependencies(&mut job);
        }
        // A job with an earlier deadline comes back just after the deadline, and expires.
        let late = job.deadline.map(|deadline| deadline + Duration::from_millis(1));
        let until = late.map_or(until, |late| late.min(until));
        let delay = until.since(self.now);
        let decision = Decision::saying(Action::Snooze { delay, at: until }, rule, reason);
        let _span = attempt_log::span(&job).entered();
        attempt_log::held_back(&job, &decision);
        let mut record = self.attempt_record(&job, AttemptOutcome::HeldBack, &decision);
        record.held_by = by;
        record.held_since = Some(self.now);
        job.snoozes = job.snoozes.saturating_add(1);
        let failure = Failure::new(ErrorKind::ERROR, decision.reason());
        let again = self.run_again(stored, job, record, &failure, &decision, until);
        SettlePlan { ending: ObservedEnding::of(Ending::HeldBack), ..again }
    }

    /// Snoozes the job, because no attempt was made. Each check by a worker without a handler adds
    /// a record to the history. The number of these records decides when the job dies.
    fn unknown_task(&self, stored: &Stored, job: Envelope) -> SettlePlan {
        let known = self.tasks.some_names();
        let message = format!("no handler for task {:?}; known: {known}", job.task);
        let failure = Failure::new(ErrorKind::UNKNOWN_TASK, message);
        self.wait_for_another_worker(stored, job, &failure, Rule::UnknownTask)
    }

    /// Another worker may have the right to read them, and a replica of a cluster may lag.
    fn args_missing(&self, stored: &Stored, job: Envelope, why: &str) -> SettlePlan {
        let failure = Failure::new(ErrorKind::ARGS_MISSING, format!("the arguments: {why}"));
        self.wait_for_another_worker(stored, job, &failure, Rule::Arguments)
    }

    /// A key that another worker may have is waited for, as an unknown task is. What no key decrypts is
    /// dead.
    fn undecryptable(&self, stored: &Stored, job: Envelope, fault: &OpenError) -> SettlePlan {
        let failure = Failure::new(ErrorKind::ENCRYPTION, format!("the arguments: {fault}"));
        if let OpenError::UnknownKey(_) = fault {
            return self.wait_for_another_worker(stored, job, &failure, Rule::Encryption);
        }
        let _span = attempt_log::span(&job).entered();
        let decision = Decision::new(Action::Dead, Rule::Encryption);
        attempt_log::unknown_task(failure.message(), &decision);
        let mut record = self.attempt_record(&job, AttemptOutcome::NotRun, &decision);
        record.error_kind = Some(failure.kind().clone());
        record.message = Some(failure.message().to_owned());
        self.end_dead(stored, job, record, &failure, &decision)
    }

    fn wait_for_another_worker(
        &self,
        stored: &Stored,
        mut job: Envelope,
        failure: &Failure,
        rule: Rule,
    ) -> SettlePlan {
        let _span = attempt_log::span(&job).entered();
        let kind = failure.kind();
        let same = |r: &&AttemptRecord| r.error_kind.as_ref() == Some(kind);
        let checks = job.history.iter().rev().take_while(same).count();
        let facts = AttemptFacts {
            attempt: u32::try_from(checks).unwrap_or(u32::MAX).saturating_add(1),
            crashes: 0,
            ..attempt_facts(&job, self.now, self.now)
        };
        let outcome = retry::Outcome::Failed { kind, advice: Advice::Policy };
        let action = match decide(self.unknown_tasks, &facts, &outcome).action {
            Action::Retry { delay, at } => Action::Snooze { delay, at },
            _ => Action::Dead,
        };
        let decision = Decision::new(action, rule);
        attempt_log::unknown_task(failure.message(), &decision);
        let mut record = self.attempt_record(&job, AttemptOutcome::NotRun, &decision);
        record.error_kind = Some(kind.clone());
        record.message = Some(failure.message().to_owned());
        let Action::Snooze { at, .. } = action else {
            return self.end_dead(stored, job, record, failure, &decision);
        };
        job.snoozes = job.snoozes.saturating_add(1);
        let again = self.run_again(stored, job, record, failure, &decision, at);
        again.with_error(failure, decision.rule)
    }

    fn finished(&self, stored: &Stored, run: FinishedRun) -> SettlePlan {
        let FinishedRun { mut envelope, times, result } = run;
        let _span = attempt_log::span(&envelope).entered();
        envelope.first_started_at.get_or_insert(times.started_at);
        waive_dependencies(&mut envelope);
        match result {
            RunResult::Completed(result) => {
                attempt_log::succeeded(&envelope, times.took());
                let facts = attempt_facts(&envelope, times.started_at, times.ended_at);
                let decision = decide(&envelope.policy, &facts, &retry::Outcome::Completed);
                let outcome = AttemptOutcome::Completed;
                let record = self.record_of_run(&envelope, times, outcome, &decision);
                self.completed(stored, envelope, times, result, record)
            }
            RunResult::CompletedByFallback { result, failure, decision } => {
                attempt_log::completed_by_fallback(&decision);
                let outcome = AttemptOutcome::Completed;
                let mut record = self.record_of_run(&envelope, times, outcome, &decision);
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
        times: RunTimes,
        result: Payload,
        record: AttemptRecord,
    ) -> SettlePlan {
        let ending = ObservedEnding::of(Ending::Completed);
        if envelope.record_ttl.is_zero() {
            return SettlePlan::new(Settlement::AckOnly, ending);
        }
        envelope.record(record);
        let record = FinalRecord {
            envelope,
            state: JobState::Completed,
            finished_at: times.ended_at,
            result: Some(result),
        };
        match Fact::record(stored, &record) {
            Ok(Some(fact)) => SettlePlan::new(Settlement::StoreResult(fact, times), ending),
            Ok(None) => SettlePlan::new(Settlement::AckOnly, ending),
            Err(err) => {
                let mut envelope = record.envelope;
                envelope.history.pop();
                let failure = Failure::new(ErrorKind::VALUE, err.to_string()).fatal();
                self.failed_after_run(stored, envelope, times, &failure)
            }
        }
    }

    /// The broker refuses the job's result because it is too large. The failure is fatal: another
    /// attempt would return a result of the same size.
    pub(crate) fn result_too_large(
        &self,
        stored: &Stored,
        job: Result<Envelope, DecodeError>,
        times: RunTimes,
        reason: &str,
    ) -> SettlePlan {
        let text = format!(
            "the result: {reason}: store the data elsewhere and return its key, or let the worker \
             keep large results"
        );
        let failure = Failure::new(ErrorKind::RESULT_TOO_LARGE, text).fatal();
        match job {
            Ok(envelope) => {
                let _span = attempt_log::span(&envelope).entered();
                self.failed_after_run(stored, envelope, times, &failure)
            }
            Err(err) => self.undecodable(stored, &err),
        }
    }

    /// The job ends as `state` says.
    pub(super) fn end_job(
        &self,
        stored: &Stored,
        mut envelope: Envelope,
        record: AttemptRecord,
        state: JobState,
    ) -> SettlePlan {
        envelope.record(record);
        let record = FinalRecord { envelope, state, finished_at: self.now, result: None };
        let settlement = match Fact::record(stored, &record) {
            Ok(Some(fact)) => Settlement::Store(fact),
            // The job keeps no record, or its record cannot be encoded. The job ends without one.
            Ok(None) | Err(_) => Settlement::AckOnly,
        };
        SettlePlan::new(settlement, ObservedEnding::of(ending_of_state(state)))
    }
}

/// The jobs that this job depends on have ended: from now on it does not wait for them again.
fn waive_dependencies(job: &mut Envelope) {
    if let Some(depends) = &mut job.depends_on {
        depends.waived = true;
    }
}
