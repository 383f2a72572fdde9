//! What follows a failure: another attempt, an end, or a death.

use naq_core::names::CHORES;
use naq_core::retry::{Action, Decision};
use naq_core::stats::Ending;
use naq_core::transport::{Fact, Stored};
use naq_core::wire::{AttemptOutcome, AttemptRecord};
use naq_core::{DeadLetter, Envelope, Failure, JobState, Timestamp};

use super::decider::{DecidedSettlement, Decider};
use super::{Death, Settlement, Times, decide_failure};
use crate::report::{CountedEnding, ending_of_action, log};

impl Decider<'_> {
    pub(super) fn failed(
        &self,
        stored: &Stored,
        mut envelope: Envelope,
        times: Times,
        failure: &Failure,
        decision: &Decision,
    ) -> DecidedSettlement {
        log::failed(&envelope, failure, decision);
        let how = match decision.action {
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
            Action::Snooze { at, .. } => {
                envelope.snoozes = envelope.snoozes.saturating_add(1);
                self.run_again(stored, envelope, record, failure, decision, at)
            }
            Action::Cancel => self.end(stored, envelope, record, JobState::Cancelled),
            Action::Expire => {
                let end = self.end(stored, envelope, record, JobState::Expired);
                end.with_error(failure, decision.rule)
            }
            Action::Dead | Action::Complete => {
                self.die(stored, envelope, record, failure, decision)
            }
        }
    }

    /// A failure that shows only after the handler has ended.
    pub(super) fn failed_after_run(
        &self,
        stored: &Stored,
        envelope: Envelope,
        times: Times,
        failure: &Failure,
    ) -> DecidedSettlement {
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
    ) -> DecidedSettlement {
        envelope.record(record);
        if matches!(decision.action, Action::Snooze { .. }) && envelope.queue.as_str() == CHORES {
            // A chore snoozes again and again, some for years: each time is like the first.
            envelope.history.clear();
            envelope.crashes = 0;
        }
        envelope.due_at = Some(at);
        let mut ending = CountedEnding::of(ending_of_action(&decision.action));
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
                bury(stored, Some(envelope), &letter)
            }
        };
        DecidedSettlement::new(settlement, ending)
    }

    /// The job is dead, with `record` at the end of its history.
    pub(super) fn die(
        &self,
        stored: &Stored,
        mut envelope: Envelope,
        record: AttemptRecord,
        failure: &Failure,
        decision: &Decision,
    ) -> DecidedSettlement {
        envelope.record(record);
        self.bury(stored, Some(envelope), failure, decision)
    }

    /// The message is dead. `envelope` is None for a message that is no job.
    pub(super) fn bury(
        &self,
        stored: &Stored,
        envelope: Option<Envelope>,
        failure: &Failure,
        decision: &Decision,
    ) -> DecidedSettlement {
        let letter = self.letter(stored, envelope.as_ref(), failure, decision);
        let ending = CountedEnding::of(Ending::Dead).with_error(failure, decision.rule);
        DecidedSettlement::new(bury(stored, envelope, &letter), ending)
    }
}

fn bury(stored: &Stored, envelope: Option<Envelope>, letter: &DeadLetter) -> Settlement {
    Settlement::Bury(Box::new(Death::new(stored, envelope, letter)))
}
