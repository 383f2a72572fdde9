//! What the broker holds of a run's jobs at its end.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use naq_core::transport::{JobKey, Place, Stored, Transport};
use naq_core::wire::Nonce;
use naq_core::{Envelope, JobId, JobState, QueueName};

use crate::history::{End, Held};
use crate::plan::PlannedJob;
use crate::script::Step;

/// Look-ups under way at once.
const AT_ONCE: usize = 64;
/// Dead letters asked for at once.
const PAGE: usize = 500;

/// What is held of each job, by id. Every dead letter counts, not only the last of a job; with the
/// record of its death it is one end.
///
/// # Errors
/// The broker does not answer, or holds something that is no job.
pub async fn held(
    transport: &dyn Transport,
    jobs: &[PlannedJob],
) -> Result<BTreeMap<String, Held>> {
    let looking = jobs.iter().map(|job| async move {
        let key = JobKey { queue: QueueName::new(&job.queue)?, id: JobId::new(&job.id)? };
        let messages = transport.locate(&key).await?;
        anyhow::Ok((job.id.clone(), read(&messages)?))
    });
    let mut found: BTreeMap<String, Found> =
        stream::iter(looking).buffer_unordered(AT_ONCE).try_collect().await?;
    let mut from = Some(0);
    while let Some(start) = from {
        let page = transport.dead_letters(None, start, PAGE).await?;
        for letter in &page.letters {
            let job = found.entry(letter.key.id.to_string()).or_default();
            job.letters.push((letter.step().nonce, end(letter)?));
        }
        from = page.next;
    }
    Ok(found.into_iter().map(|(id, found)| (id, found.held())).collect())
}

/// What stands at each of a job's places.
#[derive(Debug, Default)]
struct Found {
    live: Vec<String>,
    record: Option<(Nonce, End)>,
    letters: Vec<(Nonce, End)>,
}

impl Found {
    /// A death has a record and a letter, and is one end; one of them alone is half of one.
    fn held(self) -> Held {
        let Self { live, record, letters } = self;
        let mut held = Held { live, ..Held::default() };
        let died = record.as_ref().filter(|(_, end)| end.state == JobState::Dead).cloned();
        let of_death = |life: &Nonce| died.as_ref().is_some_and(|(death, _)| death == life);
        if !letters.iter().all(|(life, _)| of_death(life)) {
            held.half.push("a letter without its record".into());
        }
        if died.is_some() && !letters.iter().any(|(life, _)| of_death(life)) {
            held.half.push("a record without its letter".into());
        }
        held.ends.extend(record.filter(|_| died.is_none()).map(|(_, end)| end));
        held.ends.extend(letters.into_iter().map(|(_, end)| end));
        held
    }
}

/// Whether no job of these queues waits or runs.
///
/// # Errors
/// The broker does not answer.
pub async fn is_drained(transport: &dyn Transport, queues: &[&str]) -> Result<bool> {
    for queue in queues {
        if let Some(info) = transport.queue_info(&QueueName::new(queue)?).await?
            && info.pending + info.running + info.waiting > 0
        {
            return Ok(false);
        }
    }
    Ok(true)
}

fn read(messages: &[Stored]) -> Result<Found> {
    let mut found = Found::default();
    for stored in messages {
        match stored.place {
            Place::Queue => found.live.push("queue".into()),
            Place::Schedule => found.live.push("schedule".into()),
            Place::Record => found.record = Some((stored.step().nonce, end(stored)?)),
            // Counted with all letters.
            Place::Dead => {}
        }
    }
    Ok(found)
}

fn end(stored: &Stored) -> Result<End> {
    let what = || format!("what is stored of {}", stored.key);
    let of = |envelope: &Envelope, state, rule| End {
        state,
        step: Step { attempt: envelope.attempt, snoozes: envelope.snoozes },
        crashes: envelope.crashes,
        rule,
        at: stored.stored_at.as_millis(),
    };
    if stored.place == Place::Dead {
        let rule = stored.dead_letter().rule.as_str().to_owned();
        let envelope = stored.envelope().with_context(what)?;
        return Ok(of(&envelope, JobState::Dead, Some(rule)));
    }
    let record = stored.record().with_context(what)?;
    Ok(of(&record.envelope, record.state, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(life: &str, state: JobState) -> (Nonce, End) {
        let step = Step { attempt: 1, snoozes: 0 };
        (Nonce::parse(life).expect("a nonce"), End { state, step, crashes: 0, rule: None, at: 1 })
    }

    #[test]
    fn a_death_is_one_end_only_with_both_its_halves() {
        let (died, letter) = (end("a", JobState::Dead), end("a", JobState::Dead));
        let (done, other) = (end("a", JobState::Completed), end("b", JobState::Dead));
        for (record, letters, ends, half) in [
            (None, vec![], 0, 0),
            (Some(done.clone()), vec![], 1, 0),
            (Some(died.clone()), vec![letter.clone()], 1, 0),
            (Some(died.clone()), vec![], 0, 1),
            (None, vec![letter.clone()], 1, 1),
            (Some(done), vec![letter.clone()], 2, 1),
            (Some(died.clone()), vec![other], 1, 2),
            (Some(died), vec![letter.clone(), letter], 2, 0),
        ] {
            let found = Found { live: Vec::new(), record, letters };
            let what = format!("{found:?}");
            let held = found.held();
            assert_eq!((held.ends.len(), held.half.len()), (ends, half), "{what}");
        }
    }
}
