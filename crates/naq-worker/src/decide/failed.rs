//! What follows a failure: another attempt, an end, or a death.

use naq_core::names::CHORES;
use naq_core::retry::{Action, Decision, Rule};
use naq_core::stats::Ending;
use naq_core::transport::{Fact, Stored};
use naq_core::wire::{AttemptOutcome, AttemptRecord};
use naq_core::{Advice, DeadLetter, Envelope, Failure, JobState, Timestamp};

use super::settle_planner::{SettlePlan, SettlePlanner};
use super::{DeathFacts, RunTimes, Settlement, decide_failure};
use crate::report::{ObservedEnding, attempt_log, ending_of_action};

impl SettlePlanner<'_> {
    pub(super) fn failed(
        &self,
        stored: &Stored,
        mut envelope: Envelope,
        times: RunTimes,
        failure: &Failure,
        decision: &Decision,
    ) -> SettlePlan {
        attempt_log::failed(&envelope, failure, decision);
        let crashed = failure.advice() == Advice::Crash;
        if crashed {
            envelope.crashes = envelope.crashes.saturating_add(1);
        }
        let how = match decision.action {
            _ if crashed => AttemptOutcome::Crashed,
            Action::Snooze { .. } => AttemptOutcome::Snoozed,
            Action::Cancel => AttemptOutcome::Cancelled,
            _ => AttemptOutcome::Failed,
        };
        let mut record = self.record_of_run(&envelope, times, how, decision);
        if how != AttemptOutcome::Snoozed {
            record.error_kind = Some(failure.kind().clone());
            record.message = Some(failure.message().to_owned());
        }
        match decision.action {
            Action::Retry { at, .. } => {
                envelope.attempt = envelope.attempt.saturating_add(1);
                self.run_again(stored, envelope, record, failure, decision, at)
            }
            // A crash counts as a snooze too: the step of the next run must differ.
            Action::Snooze { at, .. } => {
                envelope.snoozes = envelope.snoozes.saturating_add(1);
                self.run_again(stored, envelope, record, failure, decision, at)
            }
            Action::Cancel => self.end_job(stored, envelope, record, JobState::Cancelled),
            Action::Expire => {
                let end = self.end_job(stored, envelope, record, JobState::Expired);
                end.with_error(failure, decision.rule)
            }
            Action::Dead | Action::Complete => {
                self.end_dead(stored, envelope, record, failure, decision)
            }
        }
    }

    /// A failure that shows only after the handler has ended.
    pub(super) fn failed_after_run(
        &self,
        stored: &Stored,
        envelope: Envelope,
        times: RunTimes,
        failure: &Failure,
    ) -> SettlePlan {
        let decision = decide_failure(&envelope, times, failure);
        self.failed(stored, envelope, times, failure, &decision)
    }

    /// The job waits until `at`. Its attempt or its snoozes are counted already.
    pub(super) fn run_again(
        &self,
        stored: &Stored,
        mut envelope: Envelope,
        record: AttemptRecord,
        failure: &Failure,
        decision: &Decision,
        at: Timestamp,
    ) -> SettlePlan {
        if let Some(decision) = no_later_step(stored, &envelope) {
            envelope.attempt = stored.step().attempt;
            return self.end_dead(stored, envelope, record, failure, &decision);
        }
        envelope.record(record);
        if matches!(decision.action, Action::Snooze { .. }) && envelope.queue.as_str() == CHORES {
            // A chore snoozes again and again, some for years: each time is like the first.
            envelope.history.clear();
            envelope.crashes = 0;
        }
        envelope.due_at = Some(at);
        let mut ending = ObservedEnding::of(ending_of_action(&decision.action));
        if matches!(decision.action, Action::Retry { .. }) {
            ending = ending.with_error(failure, decision.rule);
        }
        let settlement = match Fact::retry(stored, &envelope, at) {
            Ok(fact) => Settlement::Store(fact),
            // The envelope is larger than NAQ writes: another program enqueued the job. It ran, and
            // it cannot be stored for another time.
            Err(_) => {
                let letter = self.letter(stored, Some(&envelope), failure, decision);
                envelope.attempt = letter.step.attempt;
                envelope.snoozes = letter.step.snoozes;
                death(stored, Some(envelope), &letter)
            }
        };
        SettlePlan::new(settlement, ending)
    }

    /// The job is dead, with `record` at the end of its history.
    pub(super) fn end_dead(
        &self,
        stored: &Stored,
        mut envelope: Envelope,
        record: AttemptRecord,
        failure: &Failure,
        decision: &Decision,
    ) -> SettlePlan {
        envelope.record(record);
        self.store_death(stored, Some(envelope), failure, decision)
    }

    /// The message is dead. `envelope` is None for a message that is no job.
    pub(super) fn store_death(
        &self,
        stored: &Stored,
        envelope: Option<Envelope>,
        failure: &Failure,
        decision: &Decision,
    ) -> SettlePlan {
        let letter = self.letter(stored, envelope.as_ref(), failure, decision);
        let ending = ObservedEnding::of(Ending::Dead).with_error(failure, decision.rule);
        SettlePlan::new(death(stored, envelope, &letter), ending)
    }
}

/// The death of a job whose next message could not be told from the present one: the broker would
/// take it for a repeated request, and the ack would then remove the job. Only another program can
/// write such a job.
fn no_later_step(stored: &Stored, next: &Envelope) -> Option<Decision> {
    let (now, next) = (stored.step(), next.step());
    if now.is_before(&next) {
        return None;
    }
    let why = if now == next {
        format!("the job's step {now} is the last one that can be counted")
    } else {
        format!("the header Naq-Step says {now}, and the body of the job leads to {next}")
    };
    let sentence = format!("{why}: it cannot wait for another attempt");
    Some(Decision::saying(Action::Dead, Rule::MaxRetries, sentence))
}

fn death(stored: &Stored, envelope: Option<Envelope>, letter: &DeadLetter) -> Settlement {
    Settlement::StoreDeath(Box::new(DeathFacts::new(stored, envelope, letter)))
}
