//! Reads the jobs that the broker has stored at the end of a run.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use naq_core::flow::RunList;
use naq_core::transport::{JobKey, Lookup, Place, StateStore, Stored};
use naq_core::wire::Nonce;
use naq_core::{Envelope, JobId, JobState, QueueName};

use crate::plan::PlannedJob;
use crate::script::ScriptStep;
use crate::stored_job::{JobEnd, StoredJob};

/// How many jobs are looked up at the same time.
const PARALLEL: usize = 64;
/// How many dead letters one request reads.
const PAGE: usize = 500;

/// The records and dead letters of each job, by id. All dead letters of a job count, not only the
/// last one. A dead letter and the record of the same death are one end.
///
/// # Errors
/// The broker does not reply, or has stored something that is not a job.
pub async fn stored_jobs(
    transport: &dyn Lookup,
    jobs: &[PlannedJob],
) -> Result<BTreeMap<String, StoredJob>> {
    let lookups = jobs.iter().map(|job| async move {
        let key = JobKey::new(QueueName::new(&job.queue)?, JobId::new(&job.id)?);
        let messages = transport.locate(&key).await?;
        anyhow::Ok((job.id.clone(), read(&messages)?))
    });
    let mut found: BTreeMap<String, JobMessages> =
        stream::iter(lookups).buffer_unordered(PARALLEL).try_collect().await?;
    let mut from = Some(0);
    while let Some(start) = from {
        let page = transport.dead_letters(None, start, PAGE).await?;
        for letter in &page.letters {
            let job = found.entry(letter.key.id.to_string()).or_default();
            job.letters.push((letter.step().nonce, end(letter)?));
        }
        from = page.next;
    }
    Ok(found.into_iter().map(|(id, found)| (id, found.into_stored_job())).collect())
}

/// The messages of one job, by place.
#[derive(Debug, Default)]
struct JobMessages {
    live: Vec<String>,
    record: Option<(Nonce, JobEnd)>,
    letters: Vec<(Nonce, JobEnd)>,
}

impl JobMessages {
    /// A death has a record and a dead letter, which are one end. If one of them is missing, the
    /// other is reported as `half`.
    fn into_stored_job(self) -> StoredJob {
        let Self { live, record, letters } = self;
        let mut stored = StoredJob { live, ..StoredJob::default() };
        let died = record.as_ref().filter(|(_, end)| end.state == JobState::Dead).cloned();
        let of_death = |life: &Nonce| died.as_ref().is_some_and(|(death, _)| death == life);
        if !letters.iter().all(|(life, _)| of_death(life)) {
            stored.half.push(StoredJob::NO_RECORD.into());
        }
        if died.is_some() && !letters.iter().any(|(life, _)| of_death(life)) {
            stored.half.push(StoredJob::NO_LETTER.into());
        }
        stored.ends.extend(record.filter(|_| died.is_none()).map(|(_, end)| end));
        stored.ends.extend(letters.into_iter().map(|(_, end)| end));
        stored
    }
}

/// Whether no job in these queues is waiting or running.
///
/// # Errors
/// The broker does not reply.
pub async fn is_drained(transport: &dyn Lookup, queues: &[&str]) -> Result<bool> {
    for queue in queues {
        if let Some(info) = transport.queue_info(&QueueName::new(queue)?).await?
            && info.pending + info.running + info.waiting + info.forgotten > 0
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How many jobs of these queues the broker has stored and will never deliver, by queue. Queues
/// without such jobs are left out.
///
/// # Errors
/// The broker does not reply.
pub async fn stranded(transport: &dyn Lookup, queues: &[&str]) -> Result<BTreeMap<String, u64>> {
    let mut found = BTreeMap::new();
    for queue in queues {
        let info = transport.queue_info(&QueueName::new(queue)?).await?;
        let jobs = info.map_or(0, |info| info.forgotten);
        if jobs > 0 {
            found.insert((*queue).to_owned(), jobs);
        }
    }
    Ok(found)
}

/// The jobs that each worker lists as begun, by worker. The list of a worker that died stays for ten
/// minutes.
///
/// # Errors
/// The broker does not reply.
pub async fn listed_jobs(transport: &dyn StateStore) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let prefix = RunList::prefix()?;
    let mut listed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut from = Some(0);
    while let Some(start) = from {
        let page = transport.state_list(&prefix, start, PAGE).await?;
        for list in page.entries.iter().filter_map(RunList::read) {
            let jobs = list.runs.into_iter().map(|run| run.job.id.to_string());
            listed.entry(list.worker.to_string()).or_default().extend(jobs);
        }
        from = page.next;
    }
    Ok(listed)
}

fn read(messages: &[Stored]) -> Result<JobMessages> {
    let mut found = JobMessages::default();
    for stored in messages {
        match stored.place {
            Place::Queue => found.live.push("queue".into()),
            Place::Schedule => found.live.push("schedule".into()),
            Place::Record => found.record = Some((stored.step().nonce, end(stored)?)),
            // `stored_jobs` reads all dead letters.
            Place::Dead => {}
        }
    }
    Ok(found)
}

/// The end that a record or a dead letter tells of.
pub(crate) fn end(stored: &Stored) -> Result<JobEnd> {
    let what = || format!("the stored message of {}", stored.key);
    let of = |envelope: &Envelope, state, rule| JobEnd {
        state,
        step: ScriptStep { attempt: envelope.attempt, snoozes: envelope.snoozes },
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

    fn end(life: &str, state: JobState) -> (Nonce, JobEnd) {
        let step = ScriptStep { attempt: 1, snoozes: 0 };
        (
            Nonce::parse(life).expect("a nonce"),
            JobEnd { state, step, crashes: 0, rule: None, at: 1 },
        )
    }

    #[test]
    fn a_death_is_one_end_only_with_record_and_letter() {
        let died = end("a", JobState::Dead);
        let letter = end("a", JobState::Dead);
        let done = end("a", JobState::Completed);
        let other = end("b", JobState::Dead);
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
            let found = JobMessages { live: Vec::new(), record, letters };
            let what = format!("{found:?}");
            let stored = found.into_stored_job();
            assert_eq!((stored.ends.len(), stored.half.len()), (ends, half), "{what}");
        }
    }
}
