//! Fits a settlement to the broker's size limit: which smaller fact is stored instead of one that
//! is too large.

use std::iter::successors;

use naq_core::retry::Rule;
use naq_core::transport::{Fact, FactKind, Place, Stored};
use naq_core::wire::{WireMessage, headers};
use naq_core::{DeadLetter, Envelope, ErrorKind, Payload, Timestamp};

use super::{DeathFacts, Settlement};

/// Characters that a shortened dead letter keeps of the error message.
const SHORT_MESSAGE: usize = 100;

/// The broker's limit, and why a fact is over it.
#[derive(Debug)]
pub(crate) struct SizeLimit {
    /// The largest message that fits, in bytes.
    pub(crate) max: usize,
    /// What the dead letter and the log say about the limit.
    pub(crate) reason: String,
}

/// A smaller settlement, for one whose next fact is too large. None when no form of it fits.
pub(crate) fn fit_settlement(
    settlement: Settlement,
    stored: &Stored,
    job: impl FnOnce() -> Option<Envelope>,
    limit: &SizeLimit,
    now: Timestamp,
) -> Option<Settlement> {
    match settlement {
        Settlement::Store(fact) => match fact.kind {
            // The broker cannot store the retry, so the job is dead.
            FactKind::Retry { .. } => {
                let letter = letter_for_unstorable_retry(&fact, stored, &limit.reason, now);
                Some(Settlement::StoreDeath(Box::new(DeathFacts::new(stored, job(), &letter))))
            }
            // If no form of the record fits, the job ends without a record.
            FactKind::Record { .. } => {
                let smaller = fit_fact(&fact, stored, limit.max);
                Some(smaller.map_or(Settlement::AckOnly, Settlement::Store))
            }
            FactKind::GiveBack | FactKind::Dead => {
                fit_fact(&fact, stored, limit.max).map(Settlement::Store)
            }
        },
        Settlement::StoreDeath(death) => {
            let smaller = fit_fact(death.next_fact(), stored, limit.max);
            death.with_smaller(smaller).map(|death| Settlement::StoreDeath(Box::new(death)))
        }
        _ => None,
    }
}

/// The largest form of the fact that fits.
fn fit_fact(fact: &Fact, stored: &Stored, max: usize) -> Option<Fact> {
    let mut forms = successors(smaller(fact, stored), |form| smaller(form, stored));
    forms.find(|form| form.message.size() <= max)
}

/// The next smaller form of the fact. None when it has none.
fn smaller(fact: &Fact, stored: &Stored) -> Option<Fact> {
    let written = |place| Stored { place, message: fact.message.clone(), ..stored.clone() };
    match fact.kind {
        FactKind::Record { .. } => smaller_record(fact, &written(Place::Record)),
        FactKind::Dead => smaller_letter(fact, stored, written(Place::Dead).dead_letter()),
        FactKind::GiveBack => {
            Fact::give_back(stored, None).ok().filter(|plain| plain.message != fact.message)
        }
        FactKind::Retry { .. } => None,
    }
}

/// The record of a completed job with its result, without what is known elsewhere: first without the
/// arguments, which the producer has, then without the history. None when the result alone is too
/// large.
pub(crate) fn fit_result(fact: &Fact, stored: &Stored, max: usize) -> Option<Fact> {
    let written = Stored { place: Place::Record, message: fact.message.clone(), ..stored.clone() };
    let mut record = written.record().ok()?;
    record.envelope.leave_out_args();
    let without_args = record.to_message().ok()?;
    let message = if without_args.size() <= max {
        without_args
    } else {
        record.envelope.history.clear();
        record.to_message().ok()?
    };
    (message.size() <= max).then(|| Fact { message, ..fact.clone() })
}

/// First without result and history, then without arguments. How the job ended is never left out.
fn smaller_record(fact: &Fact, written: &Stored) -> Option<Fact> {
    let mut record = written.record().ok()?;
    let none = Payload::null(record.envelope.codec);
    if record.result.is_some() || !record.envelope.history.is_empty() {
        record.result = None;
        record.envelope.history.clear();
    } else if record.envelope.args != none {
        record.envelope.leave_out_args();
    } else {
        return None;
    }
    let mut message = record.to_message().ok()?;
    // The record of a death also says why.
    for (name, value) in written.message.headers() {
        if message.header(name).is_none() {
            message = message.with(name, value);
        }
    }
    Some(Fact { message, ..fact.clone() })
}

fn letter_for_unstorable_retry(
    fact: &Fact,
    stored: &Stored,
    reason: &str,
    now: Timestamp,
) -> DeadLetter {
    let next = Stored { message: fact.message.clone(), ..stored.clone() }.envelope().ok();
    let last = next.as_ref().and_then(|next| next.last_error());
    DeadLetter {
        step: stored.step(),
        task: next.as_ref().map(|next| next.task.clone()),
        error_kind: last.and_then(|it| it.error_kind.clone()).unwrap_or(ErrorKind::VALUE),
        message: last.and_then(|it| it.message.clone()).unwrap_or_default(),
        rule: Rule::Fatal,
        reason: format!("with its history it cannot be stored for another attempt: {reason}"),
        died_at: now,
        content_type: stored.message.header(headers::CONTENT_TYPE).map(str::to_owned),
        body: stored.message.body.clone(),
    }
}

/// First without its history and most of its text, then with nothing but the body.
fn smaller_letter(fact: &Fact, stored: &Stored, mut letter: DeadLetter) -> Option<Fact> {
    let short: String = letter.message.chars().take(SHORT_MESSAGE).collect();
    let body = &stored.message.body;
    if letter.body != *body || letter.message != short || !letter.reason.is_empty() {
        letter.body = body.clone();
        letter.message = short;
        letter.reason = String::new();
        return Some(Fact { message: letter.to_message(), ..fact.clone() });
    }
    fact.message.step()?;
    let mut message = WireMessage::new(body.clone());
    if let Some(content_type) = &letter.content_type {
        message = message.with(headers::CONTENT_TYPE, content_type);
    }
    Some(Fact { message, ..fact.clone() })
}

#[cfg(test)]
mod tests {
    use naq_core::transport::JobKey;
    use naq_core::wire::{AttemptOutcome, AttemptRecord};
    use naq_core::{Codec, Envelope, FinalRecord, JobId, JobState, Payload, QueueName, TaskName};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1000);

    fn job() -> (Stored, Envelope) {
        let (queue, id) = (QueueName::default(), JobId::new("job").expect("an id"));
        let (task, args) = (TaskName::new("t").expect("a name"), Payload::null(Codec::Json));
        let mut envelope = Envelope::new(queue.clone(), id.clone(), task, args, NOW);
        let message = envelope.to_message().expect("writes");
        let key = JobKey::new(queue, id);
        let (place, due_at, delivered) = (Place::Queue, None, true);
        let stored = Stored { key, place, seq: 7, stored_at: NOW, due_at, delivered, message };
        let mut failed = AttemptRecord::new(1, AttemptOutcome::Failed);
        failed.error_kind = Some(ErrorKind::CONNECTION);
        failed.message = Some("no route".repeat(100));
        envelope.record(failed);
        (stored, envelope)
    }

    fn letter(fact: &Fact, stored: &Stored) -> DeadLetter {
        let message = fact.message.clone();
        Stored { place: Place::Dead, message, ..stored.clone() }.dead_letter()
    }

    /// The settlement for a limit that is one byte too small for this one.
    fn next(settlement: Settlement, stored: &Stored) -> Option<Settlement> {
        let max = written(&settlement).message.size() - 1;
        fit_to(settlement, stored, max)
    }

    fn fit_to(settlement: Settlement, stored: &Stored, max: usize) -> Option<Settlement> {
        let limit = SizeLimit { max, reason: "too much".into() };
        fit_settlement(settlement, stored, || stored.envelope().ok(), &limit, NOW)
    }

    fn written(settlement: &Settlement) -> Fact {
        settlement.next_fact().expect("a fact").clone()
    }

    #[test]
    fn a_retry_becomes_a_death_whose_letter_gets_shorter_and_keeps_the_body() {
        let (stored, mut job) = job();
        job.attempt = 2;
        let retry = Fact::retry(&stored, &job, NOW).expect("writes");
        let mut dead = next(Settlement::Store(retry), &stored).expect("a death");
        let record = written(&dead);
        assert_eq!(record.ends(), Some(JobState::Dead));
        assert!(matches!(record.kind, FactKind::Record { .. }));
        // The record is left out, so that the letter can be stored.
        let mut records = 0;
        while matches!(written(&dead).kind, FactKind::Record { .. }) {
            records += 1;
            dead = next(dead, &stored).expect("a death in any case");
        }
        assert_eq!(records, 1, "it had neither history nor arguments");
        let full = written(&dead);
        let shown = letter(&full, &stored);
        assert_eq!((&shown.error_kind, shown.rule), (&ErrorKind::CONNECTION, Rule::Fatal));
        assert!(shown.reason.contains("too much"), "{}", shown.reason);
        let short = next(dead, &stored).expect("a short one");
        let shown = letter(&written(&short), &stored);
        assert_eq!((shown.message.len(), shown.reason.as_str()), (SHORT_MESSAGE, ""));
        assert_eq!(shown.step, stored.step());
        let shorter = written(&short);
        let bare = next(short, &stored).expect("a bare one");
        assert_eq!(written(&bare).message.headers().count(), 1);
        for fact in [&full, &shorter, &written(&bare)] {
            assert_eq!(fact.message.body, stored.message.body);
        }
        assert!(next(bare, &stored).is_none());
    }

    #[test]
    fn a_record_gets_smaller_step_by_step_until_the_job_ends_without_one() {
        let (stored, mut envelope) = job();
        envelope.args = Payload::encode(Codec::Json, &"much ".repeat(20)).expect("writes");
        let result = Some(Payload::null(Codec::Json));
        let record = FinalRecord { envelope, state: JobState::Cancelled, finished_at: NOW, result };
        let full = Fact::record(&stored, &record).expect("writes").expect("wanted");
        let mut sizes = vec![full.message.size()];
        let mut settlement = Settlement::Store(full);
        loop {
            settlement = next(settlement, &stored).expect("an end");
            if matches!(settlement, Settlement::AckOnly) {
                break;
            }
            sizes.push(written(&settlement).message.size());
        }
        assert_eq!(sizes.len(), 3, "{sizes:?}");
        assert!(sizes.is_sorted_by(|a, b| a > b), "{sizes:?}");
    }

    #[test]
    fn a_result_is_kept_while_arguments_and_history_can_be_left_out() {
        let (stored, mut envelope) = job();
        envelope.args = Payload::encode(Codec::Json, &"much ".repeat(20)).expect("writes");
        let result = Payload::encode(Codec::Json, "the result").expect("writes");
        let state = JobState::Completed;
        let of = |envelope: &Envelope| {
            let (envelope, result) = (envelope.clone(), Some(result.clone()));
            let record = FinalRecord { envelope, state, finished_at: NOW, result };
            Fact::record(&stored, &record).expect("writes").expect("wanted")
        };
        let full = of(&envelope);
        envelope.leave_out_args();
        let no_args = of(&envelope);
        envelope.history.clear();
        let no_history = of(&envelope);
        for (max, expected) in [
            (full.message.size() - 1, Some(&no_args)),
            (no_args.message.size(), Some(&no_args)),
            (no_args.message.size() - 1, Some(&no_history)),
            (no_history.message.size(), Some(&no_history)),
            (no_history.message.size() - 1, None),
        ] {
            assert_eq!(fit_result(&full, &stored, max).as_ref(), expected, "{max}");
        }
    }

    #[test]
    fn the_smallest_record_of_a_death_still_says_why() {
        let (stored, envelope) = job();
        let mut letter = letter(&Fact::give_back(&stored, None).expect("writes"), &stored);
        letter.reason = "the budget is spent".into();
        let full = Fact::death(&stored, envelope, &letter).expect("writes");
        let small = smaller(&full, &stored).expect("without its history");
        let place = Place::Record;
        let record = Stored { place, message: small.message.clone(), ..stored.clone() };
        assert_eq!((small.kind, &small.dedup), (full.kind, &full.dedup));
        let rebuilt = record.letter_of_record(&stored.message).expect("a letter");
        assert_eq!(rebuilt.reason, "the budget is spent");
        assert_eq!(
            rebuilt.body, stored.message.body,
            "the body comes from the message, not from the record"
        );
    }

    #[test]
    fn a_fact_takes_the_largest_form_that_fits_in_one_step() {
        let (stored, mut envelope) = job();
        envelope.args = Payload::encode(Codec::Json, &"much ".repeat(20)).expect("writes");
        let result = Some(Payload::null(Codec::Json));
        let record = FinalRecord { envelope, state: JobState::Cancelled, finished_at: NOW, result };
        let full = Fact::record(&stored, &record).expect("writes").expect("wanted");
        let no_history = smaller(&full, &stored).expect("a form");
        let no_args = smaller(&no_history, &stored).expect("a form");
        for (max, expected) in [
            (full.message.size() - 1, &no_history),
            (no_history.message.size(), &no_history),
            (no_history.message.size() - 1, &no_args),
        ] {
            let fitted = fit_to(Settlement::Store(full.clone()), &stored, max);
            assert_eq!(&written(&fitted.expect("fits")), expected, "{max}");
        }
        let fitted = fit_to(Settlement::Store(full), &stored, no_args.message.size() - 1);
        assert!(matches!(fitted, Some(Settlement::AckOnly)), "it ends without a record");
    }

    #[test]
    fn a_give_back_that_is_too_large_stores_the_message_as_it_came() {
        let (stored, envelope) = job();
        let rewritten = Fact::give_back(&stored, Some(&envelope)).expect("writes");
        let plain = next(Settlement::Store(rewritten), &stored).expect("as it came");
        assert_eq!(written(&plain).message, stored.message);
        assert!(next(plain, &stored).is_none());
    }
}
