//! What is written in place of a fact that the broker finds too large: less and less, until it fits.

use naq_core::transport::{Fact, FactKind, Place, Stored};
use naq_core::wire::{WireMessage, headers};
use naq_core::{DeadLetter, ErrorKind, Timestamp, retry::Rule};

/// Characters of an error message that a letter which has to be short keeps.
const SHORT: usize = 100;

/// The next smaller form of the fact, given why it was refused. None when it has none.
pub(crate) fn smaller(fact: &Fact, stored: &Stored, reason: &str, now: Timestamp) -> Option<Fact> {
    let written = |place| Stored { place, message: fact.message.clone(), ..stored.clone() };
    match fact.kind {
        FactKind::Record { .. } => {
            let mut record = written(Place::Record).record().ok()?;
            if record.result.is_none() && record.envelope.history.is_empty() {
                return None;
            }
            record.result = None;
            record.envelope.history.clear();
            Fact::record(stored, &record).ok()?
        }
        FactKind::Retry { .. } => {
            Some(Fact::dead(stored, &instead_of_retry(fact, stored, reason, now)))
        }
        FactKind::Dead => smaller_letter(fact, stored, written(Place::Dead).dead_letter()),
        FactKind::GiveBack => {
            Fact::give_back(stored, None).ok().filter(|plain| plain.message != fact.message)
        }
    }
}

/// It ran, and it cannot wait for another time.
fn instead_of_retry(fact: &Fact, stored: &Stored, reason: &str, now: Timestamp) -> DeadLetter {
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

/// First without its history and most of its words, then without all but the body.
fn smaller_letter(fact: &Fact, stored: &Stored, mut letter: DeadLetter) -> Option<Fact> {
    let short: String = letter.message.chars().take(SHORT).collect();
    let body = &stored.message.body;
    if letter.body != *body || letter.message != short || !letter.reason.is_empty() {
        (letter.body, letter.message, letter.reason) = (body.clone(), short, String::new());
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
        let key = JobKey { queue, id };
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

    #[test]
    fn a_retry_becomes_a_letter_that_gets_shorter_and_keeps_the_body() {
        let (stored, mut next) = job();
        next.attempt = 2;
        let retry = Fact::retry(&stored, &next, NOW).expect("writes");
        let dead = smaller(&retry, &stored, "too much", NOW).expect("a letter");
        let told = letter(&dead, &stored);
        assert_eq!(
            (dead.kind, &told.error_kind, told.rule),
            (FactKind::Dead, &ErrorKind::CONNECTION, Rule::Fatal)
        );
        assert!(told.reason.contains("too much"), "{}", told.reason);
        let short = smaller(&dead, &stored, "too much", NOW).expect("a short one");
        let told = letter(&short, &stored);
        assert_eq!((told.message.len(), told.reason.as_str()), (SHORT, ""));
        assert_eq!(told.step, stored.step());
        let bare = smaller(&short, &stored, "too much", NOW).expect("a bare one");
        assert_eq!(bare.message.headers().count(), 1);
        for fact in [&dead, &short, &bare] {
            assert_eq!(fact.message.body, stored.message.body);
        }
        assert_eq!(smaller(&bare, &stored, "too much", NOW), None);
    }

    #[test]
    fn a_record_loses_result_and_history_and_a_give_back_its_rewrite() {
        let (stored, envelope) = job();
        let rewritten = Fact::give_back(&stored, Some(&envelope)).expect("writes");
        let plain = smaller(&rewritten, &stored, "too much", NOW).expect("as it came");
        assert_eq!(plain.message, stored.message);
        assert_eq!(smaller(&plain, &stored, "too much", NOW), None);

        let result = Some(Payload::null(Codec::Json));
        let record = FinalRecord { envelope, state: JobState::Cancelled, finished_at: NOW, result };
        let full = Fact::record(&stored, &record).expect("writes").expect("wanted");
        let less = smaller(&full, &stored, "too much", NOW).expect("less");
        assert!(less.message.size() < stored.message.size() + 100);
        assert_eq!(smaller(&less, &stored, "too much", NOW), None);
    }
}
