//! The lives of a job: its first one, and one more for each requeue. Each life is checked by itself.

use crate::deed::{DeedEntry, DeedOutcome};
use crate::history::{HandlerRun, SentJob};
use crate::plan::PlannedJob;
use crate::stored_job::{JobEnd, StoredJob};

/// One life, with what the ledgers and the broker know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Life<'a> {
    /// The send or the requeue that began it.
    pub(super) sent: Option<SentJob>,
    /// The delay before its first attempt.
    pub(super) delay_ms: u64,
    pub(super) runs: &'a [HandlerRun],
    pub(super) stored: StoredJob,
    /// The broker has the record of the life before this one until this one ends.
    pub(super) was_dead: bool,
}

/// Splits a job into its lives. `deeds` are the deeds for this job, in the order of their begins. A
/// requeue says how the life before it ended: that dead letter is gone afterwards.
pub(super) fn lives<'a>(
    planned: &PlannedJob,
    sent: Option<&SentJob>,
    runs: &'a [HandlerRun],
    stored: &StoredJob,
    deeds: &[&DeedEntry],
) -> Vec<Life<'a>> {
    let mut lives = Vec::new();
    let mut life = Life {
        sent: sent.cloned(),
        delay_ms: planned.delay_ms,
        runs,
        stored: stored.clone(),
        was_dead: false,
    };
    for entry in deeds {
        match &entry.outcome {
            DeedOutcome::Requeued { letter } => {
                // A requeue may begin before the job is dead, and wait for a broker that is away.
                let from = entry.from.max(letter.at);
                let begin = life.runs.partition_point(|run| run.start < from);
                let (before, after) = life.runs.split_at(begin);
                lives.push(Life { runs: before, stored: ended(letter), ..life });
                let sent = Some(SentJob { first: from, acked: Some(entry.to) });
                life =
                    Life { sent, delay_ms: 0, runs: after, stored: stored.clone(), was_dead: true };
            }
            // The record of the death stays.
            DeedOutcome::LetterRemoved { letter } if has_only_record_of_death(&life.stored) => {
                life.stored = ended(letter);
            }
            _ => {}
        }
    }
    lives.push(life);
    for end in lives.iter_mut().flat_map(|life| &mut life.stored.ends) {
        end.step = planned.script.step_of(end.step);
    }
    lives
}

fn ended(letter: &JobEnd) -> StoredJob {
    StoredJob { ends: vec![letter.clone()], ..StoredJob::default() }
}

fn has_only_record_of_death(stored: &StoredJob) -> bool {
    let only_record = stored.half.as_slice() == [StoredJob::NO_LETTER];
    only_record && stored.ends.is_empty() && stored.live.is_empty()
}
