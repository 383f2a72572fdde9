//! What the broker holds of a run's jobs at its end.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use naq_core::transport::{JobKey, Place, Stored, Transport};
use naq_core::{Envelope, JobId, JobState, QueueName};

use crate::history::{End, Held};
use crate::plan::PlannedJob;
use crate::script::Step;

/// Look-ups under way at once.
const AT_ONCE: usize = 64;
/// Dead letters asked for at once.
const PAGE: usize = 500;

/// What is held of each job, by id. Every dead letter counts, not only the last of a job.
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
    let mut held: BTreeMap<String, Held> =
        stream::iter(looking).buffer_unordered(AT_ONCE).try_collect().await?;
    let mut from = Some(0);
    while let Some(start) = from {
        let page = transport.dead_letters(None, start, PAGE).await?;
        for letter in &page.letters {
            let job = held.entry(letter.key.id.to_string()).or_default();
            job.ends.push(end(letter)?);
        }
        from = page.next;
    }
    Ok(held)
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

fn read(messages: &[Stored]) -> Result<Held> {
    let mut held = Held::default();
    for stored in messages {
        match stored.place {
            Place::Queue => held.live.push("queue".into()),
            Place::Schedule => held.live.push("schedule".into()),
            Place::Record => held.ends.push(end(stored)?),
            // Counted with all letters.
            Place::Dead => {}
        }
    }
    Ok(held)
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
