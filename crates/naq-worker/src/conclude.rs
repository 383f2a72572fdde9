//! From an [`Outcome`] to what has to be written: the decision, its record in the history, and the
//! fact. No I/O; whoever settles writes the fact as it is.

use std::time::Duration;

use naq_core::names::CHORES;
use naq_core::redact::Redactor;
use naq_core::retry::{self, Action, AttemptFacts, Decision, RetryPolicy, Rule, decide};
use naq_core::stats::Ending;
use naq_core::transport::{Delivery, Fact, Stored};
use naq_core::wire::{AttemptOutcome, AttemptRecord, DecodeError, EncodeError, headers};
use naq_core::{
    Advice, DeadLetter, Envelope, ErrorKind, Failure, FinalRecord, JobState, Payload, TaskName,
    Timestamp, WorkerId,
};

use crate::death::Death;
use crate::execute::{self, Outcome, Ran, Times, facts};
use crate::fallback::Fallback;
use crate::gates::Entry;
use crate::observe::{self, Verdict};
use crate::story;

/// What to do with a delivery.
#[derive(Debug)]
pub(crate) enum Conclusion {
    /// Write this, then ack.
    Write(Fact),
    /// The same, for a job that completed: the broker may find its result too large. Then it has
    /// to be told when the attempt ran.
    WriteResult(Fact, Times),
    /// The record, then the letter, then ack.
    Die(Box<Death>),
    /// It has ended already: see to what whoever ended it may not have lived to do, then ack.
    Finish,
    /// Ack it: there is nothing to write, or it is written already.
    Drop,
    /// Give it back to its queue, then ack.
    GiveBack,
    /// Do nothing: it is no longer ours.
    LetGo,
}

/// A conclusion, and what those who count are told of it.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) conclusion: Conclusion,
    pub(crate) verdict: Verdict,
}

impl Judged {
    fn new(conclusion: Conclusion, verdict: Verdict) -> Self {
        Self { conclusion, verdict }
    }

    fn interrupted(conclusion: Conclusion) -> Self {
        Self::new(conclusion, Verdict::of(Ending::Interrupted))
    }
}

/// What conclusions depend on besides the outcome.
pub(crate) struct Judge<'a> {
    pub(crate) worker: &'a WorkerId,
    /// How long a task may stay unknown.
    pub(crate) unknown_tasks: &'a RetryPolicy,
    /// The tasks that are known here, for the error's message.
    pub(crate) known: &'a dyn Fn() -> String,
    pub(crate) redactor: &'a Redactor,
    pub(crate) now: Timestamp,
}

impl Judge<'_> {
    pub(crate) fn conclude(&self, stored: &Stored, outcome: Outcome) -> Judged {
        match outcome {
            Outcome::Undecodable(err) => self.undecodable(stored, &err),
            Outcome::NotRun(envelope, decision) => self.not_run(stored, envelope, &decision),
            Outcome::Parked(envelope, entry) => self.parked(stored, envelope, entry),
            Outcome::UnknownTask(envelope) => self.unknown_task(stored, envelope),
            Outcome::Ran(ran) => self.ran(stored, ran),
            Outcome::Interrupted => Judged::interrupted(Conclusion::GiveBack),
            // Whoever has recorded it has counted it.
            Outcome::Cancelled => Judged::interrupted(Conclusion::Drop),
            Outcome::LeaseLost => Judged::interrupted(Conclusion::LetGo),
        }
    }

    fn undecodable(&self, stored: &Stored, err: &DecodeError) -> Judged {
        let failure = Failure::new(ErrorKind::DECODE, err.to_string()).redacted(self.redactor);
        let decision = Decision::new(Action::Dead, Rule::Undecodable);
        tracing::error!(job = %stored.key, "dead: {}: {}", decision.reason(), failure.message());
        let letter = self.letter(stored, None, &failure, &decision);
        let verdict = Verdict::of(Ending::Dead).with_error(&failure, decision.rule);
        Judged::new(dead(stored, None, &letter), verdict)
    }

    fn not_run(&self, stored: &Stored, envelope: Envelope, decision: &Decision) -> Judged {
        let _span = story::span(&envelope).entered();
        story::not_run(&envelope, decision);
        let mut record = self.record(&envelope, AttemptOutcome::NotRun, decision);
        if decision.action == Action::Dead {
            let failure = Failure::new(ErrorKind::CRASH, decision.reason());
            return self.die(stored, envelope, record, &failure, decision);
        }
        record.ended_at = Some(self.now);
        let state = match decision.action {
            Action::Cancel => JobState::Cancelled,
            _ => JobState::Expired,
        };
        self.end(stored, envelope, record, state)
    }

    /// Held back at a gate: it goes on waiting, and neither an attempt nor a crash is counted.
    fn parked(&self, stored: &Stored, mut envelope: Envelope, entry: Entry) -> Judged {
        let (until, rule, reason) = match entry {
            Entry::Park { until, rule, reason } => (until, rule, reason),
            Entry::Due { until } => {
                pass(&mut envelope);
                let reason = "the jobs that it depends on have ended; it waits for its time";
                (until, Rule::Dependencies, reason.into())
            }
            _ => return Judged::interrupted(Conclusion::GiveBack),
        };
        // They are asked first: held back elsewhere, it has passed there.
        if rule != Rule::Dependencies {
            pass(&mut envelope);
        }
        // No longer than until it is seen to be late.
        let late = envelope.deadline.map(|deadline| deadline + Duration::from_millis(1));
        let until = late.map_or(until, |late| late.min(until));
        let delay = until.since(self.now);
        let decision = Decision::saying(Action::Snooze { delay, at: until }, rule, reason);
        let _span = story::span(&envelope).entered();
        story::parked(&envelope, &decision);
        let record = self.record(&envelope, AttemptOutcome::HeldBack, &decision);
        envelope.snoozes = envelope.snoozes.saturating_add(1);
        let failure = Failure::new(ErrorKind::ERROR, decision.reason());
        let again = self.again(stored, envelope, record, &failure, &decision, until);
        Judged { verdict: Verdict::of(Ending::HeldBack), ..again }
    }

    /// A snooze, since nothing was tried: the job's own attempts are untouched. How often it was
    /// looked for is read off the history, where each look leaves a record.
    fn unknown_task(&self, stored: &Stored, mut envelope: Envelope) -> Judged {
        let _span = story::span(&envelope).entered();
        let looked = envelope
            .history
            .iter()
            .rev()
            .take_while(|r| r.error_kind.as_ref() == Some(&ErrorKind::UNKNOWN_TASK))
            .count();
        let look = AttemptFacts {
            attempt: u32::try_from(looked).unwrap_or(u32::MAX).saturating_add(1),
            crashes: 0,
            ..facts(&envelope, self.now, self.now)
        };
        let outcome =
            retry::Outcome::Failed { kind: &ErrorKind::UNKNOWN_TASK, advice: Advice::Policy };
        let action = match decide(self.unknown_tasks, &look, &outcome).action {
            Action::Retry { delay, at } => Action::Snooze { delay, at },
            _ => Action::Dead,
        };
        let decision = Decision::new(action, Rule::UnknownTask);
        let message = format!("no handler for task {:?}; known: {}", envelope.task, (self.known)());
        story::unknown_task(&message, &decision);
        let failure = Failure::new(ErrorKind::UNKNOWN_TASK, message);
        let mut record = self.record(&envelope, AttemptOutcome::NotRun, &decision);
        record.error_kind = Some(ErrorKind::UNKNOWN_TASK);
        record.message = Some(failure.message().to_owned());
        let Action::Snooze { at, .. } = action else {
            return self.die(stored, envelope, record, &failure, &decision);
        };
        envelope.snoozes = envelope.snoozes.saturating_add(1);
        let again = self.again(stored, envelope, record, &failure, &decision, at);
        let verdict = again.verdict.with_error(&failure, decision.rule);
        Judged { verdict, ..again }
    }

    fn ran(&self, stored: &Stored, ran: Ran) -> Judged {
        let Ran { mut envelope, times, result, fallback } = ran;
        let _span = story::span(&envelope).entered();
        envelope.first_started_at.get_or_insert(times.started_at);
        pass(&mut envelope);
        match result {
            Ok(result) => self.completed(stored, envelope, times, result, fallback.as_deref()),
            Err(failure) => self.failed(stored, envelope, times, &failure, fallback.as_deref()),
        }
    }

    fn completed(
        &self,
        stored: &Stored,
        mut envelope: Envelope,
        times: Times,
        result: Payload,
        fallback: Option<&Fallback>,
    ) -> Judged {
        match fallback {
            Some(Fallback::Saved { decision, .. }) => story::saved(decision),
            _ => story::succeeded(&envelope, times.ended_at.since(times.started_at)),
        }
        let mut verdict = Verdict::of(Ending::Completed);
        if let Some(Fallback::Saved { failure, decision }) = fallback {
            verdict = verdict.with_error(failure, decision.rule);
        }
        if envelope.record_ttl.is_zero() {
            return Judged::new(Conclusion::Drop, verdict);
        }
        let how = AttemptOutcome::Completed;
        let record = if let Some(Fallback::Saved { failure, decision }) = fallback {
            let mut record = self.record_of(&envelope, times, how, decision);
            record.error_kind = Some(failure.kind().clone());
            record.message = Some(failure.message().to_owned());
            record
        } else {
            let facts = facts(&envelope, times.started_at, times.ended_at);
            let decision = decide(&envelope.policy, &facts, &retry::Outcome::Completed);
            self.record_of(&envelope, times, how, &decision)
        };
        envelope.record(record);
        let record = FinalRecord {
            envelope,
            state: JobState::Completed,
            finished_at: times.ended_at,
            result: Some(result),
        };
        match Fact::record(stored, &record) {
            Ok(Some(fact)) => Judged::new(Conclusion::WriteResult(fact, times), verdict),
            Ok(None) => Judged::new(Conclusion::Drop, verdict),
            Err(err) => {
                let mut envelope = record.envelope;
                envelope.history.pop();
                let failure = Failure::new(ErrorKind::VALUE, err.to_string()).fatal();
                self.failed(stored, envelope, times, &failure, None)
            }
        }
    }

    /// A job whose result the broker does not take. It would be as large the next time.
    pub(crate) fn result_too_large(
        &self,
        delivery: &Delivery,
        times: Times,
        reason: &str,
    ) -> Judged {
        let text = format!(
            "the result: {reason}: store the data elsewhere and return its key, or let the worker \
             keep large results"
        );
        let failure = Failure::new(ErrorKind::RESULT_TOO_LARGE, text).fatal();
        match execute::decode(delivery) {
            Ok(envelope) => {
                let _span = story::span(&envelope).entered();
                self.failed(&delivery.stored, envelope, times, &failure, None)
            }
            Err(err) => self.undecodable(&delivery.stored, &err),
        }
    }

    fn failed(
        &self,
        stored: &Stored,
        mut envelope: Envelope,
        times: Times,
        failure: &Failure,
        fallback: Option<&Fallback>,
    ) -> Judged {
        let facts = facts(&envelope, times.started_at, times.ended_at);
        let outcome = retry::Outcome::Failed { kind: failure.kind(), advice: failure.advice() };
        let mut decision = decide(&envelope.policy, &facts, &outcome);
        if let Some(fallback) = fallback {
            decision = fallback.noted(decision);
        }
        story::failed(&envelope, failure, &decision);
        let how = match decision.action {
            Action::Snooze { .. } => AttemptOutcome::Snoozed,
            Action::Cancel => AttemptOutcome::Cancelled,
            _ => AttemptOutcome::Failed,
        };
        let mut record = self.record_of(&envelope, times, how, &decision);
        if how != AttemptOutcome::Snoozed {
            record.error_kind = Some(failure.kind().clone());
            record.message = Some(failure.message().to_owned());
        }
        match decision.action {
            Action::Retry { at, .. } => {
                envelope.attempt = envelope.attempt.saturating_add(1);
                self.again(stored, envelope, record, failure, &decision, at)
            }
            Action::Snooze { at, .. } => {
                envelope.snoozes = envelope.snoozes.saturating_add(1);
                self.again(stored, envelope, record, failure, &decision, at)
            }
            Action::Cancel => self.end(stored, envelope, record, JobState::Cancelled),
            Action::Expire => {
                let end = self.end(stored, envelope, record, JobState::Expired);
                let verdict = end.verdict.with_error(failure, decision.rule);
                Judged { verdict, ..end }
            }
            Action::Dead | Action::Complete => {
                self.die(stored, envelope, record, failure, &decision)
            }
        }
    }

    /// `envelope` runs again at `at`, its counts already moved on.
    fn again(
        &self,
        stored: &Stored,
        mut envelope: Envelope,
        record: AttemptRecord,
        failure: &Failure,
        decision: &Decision,
        at: Timestamp,
    ) -> Judged {
        envelope.record(record);
        if matches!(decision.action, Action::Snooze { .. }) && envelope.queue.as_str() == CHORES {
            // NAQ's own jobs wait again and again, some for years: each time is the first.
            envelope.history.clear();
            envelope.crashes = 0;
        }
        envelope.due_at = Some(at);
        let mut verdict = Verdict::of(observe::ending(&decision.action));
        if matches!(decision.action, Action::Retry { .. }) {
            verdict = verdict.with_error(failure, decision.rule);
        }
        let conclusion = match Fact::retry(stored, &envelope, at) {
            Ok(fact) => Conclusion::Write(fact),
            // Larger than a job may be, as only a job from elsewhere can be: it ran, and it cannot
            // wait for another time.
            Err(_) => {
                let letter = self.letter(stored, Some(&envelope), failure, decision);
                (envelope.attempt, envelope.snoozes) = (letter.step.attempt, letter.step.snoozes);
                dead(stored, Some(envelope), &letter)
            }
        };
        Judged::new(conclusion, verdict)
    }

    fn end(
        &self,
        stored: &Stored,
        mut envelope: Envelope,
        record: AttemptRecord,
        state: JobState,
    ) -> Judged {
        envelope.record(record);
        let record = FinalRecord { envelope, state, finished_at: self.now, result: None };
        let conclusion = match Fact::record(stored, &record) {
            Ok(Some(fact)) => Conclusion::Write(fact),
            // No record wanted, or none possible: the job ends all the same.
            Ok(None) | Err(_) => Conclusion::Drop,
        };
        Judged::new(conclusion, Verdict::of(observe::ended(state)))
    }

    fn die(
        &self,
        stored: &Stored,
        mut envelope: Envelope,
        record: AttemptRecord,
        failure: &Failure,
        decision: &Decision,
    ) -> Judged {
        envelope.record(record);
        let letter = self.letter(stored, Some(&envelope), failure, decision);
        let verdict = Verdict::of(Ending::Dead).with_error(failure, decision.rule);
        Judged::new(dead(stored, Some(envelope), &letter), verdict)
    }

    fn letter(
        &self,
        stored: &Stored,
        envelope: Option<&Envelope>,
        failure: &Failure,
        decision: &Decision,
    ) -> DeadLetter {
        // What cannot be written anew is kept as it came.
        let body = envelope
            .map(Envelope::encode)
            .and_then(Result::<_, EncodeError>::ok)
            .unwrap_or_else(|| stored.message.body.clone());
        DeadLetter {
            step: stored.step(),
            task: envelope.map(|e| -> TaskName { e.task.clone() }),
            error_kind: failure.kind().clone(),
            message: failure.message().to_owned(),
            rule: decision.rule,
            reason: decision.reason(),
            died_at: self.now,
            content_type: stored.message.header(headers::CONTENT_TYPE).map(str::to_owned),
            body,
        }
    }

    fn record_of(
        &self,
        envelope: &Envelope,
        times: Times,
        how: AttemptOutcome,
        decision: &Decision,
    ) -> AttemptRecord {
        let mut record = self.record(envelope, how, decision);
        record.started_at = Some(times.started_at);
        record.ended_at = Some(times.ended_at);
        record
    }

    fn record(
        &self,
        envelope: &Envelope,
        how: AttemptOutcome,
        decision: &Decision,
    ) -> AttemptRecord {
        let mut record = AttemptRecord::new(envelope.attempt, how);
        record.due_at = envelope.due_at;
        record.ended_at = Some(self.now);
        record.worker = Some(self.worker.clone());
        record.decision = Some(decision.action.as_str().to_owned());
        record.rule = Some(decision.rule);
        record.reason = Some(decision.reason());
        let whole = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        record.delay_ms = decision.action.delay().map(whole);
        record
    }
}

/// The jobs that it depends on have let it go: from now on it waits for its own reasons only.
fn pass(envelope: &mut Envelope) {
    if let Some(depends) = &mut envelope.depends_on {
        depends.waived = true;
    }
}

fn dead(stored: &Stored, envelope: Option<Envelope>, letter: &DeadLetter) -> Conclusion {
    Conclusion::Die(Box::new(Death::new(stored, envelope, letter)))
}
