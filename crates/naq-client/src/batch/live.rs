//! [`LiveFilter`]: jobs that have not ended, pending ones among them; and their pages.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::failure::ErrorKind;
use naq_core::names::{CHORES, QueueName, TaskName};
use naq_core::state::JobState;
use naq_core::transport::{
    JobSummary, JobsCursor, JobsQuery, Lookup, Order, Place, SCAN, TransportError,
};
use serde::{Deserialize, Serialize};

use crate::batch::item::BatchItem;
use crate::batch::select::{PageCursor, SCANNED, SelectedPage, find_unchanged};
use crate::join_bounded::join_bounded;

/// How far the clock of the broker may be ahead of what this process knows of it.
const CLOCK_MARGIN: Duration = Duration::from_secs(2);

/// Selects jobs that have not ended. A job must match every field that is set; an empty filter matches
/// all jobs but NAQ's own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LiveFilter {
    /// Jobs of this queue. Without it, jobs of all queues but that of NAQ's own jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// Jobs in this state: pending, running, scheduled, retrying or blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<JobState>,
    /// Jobs of this task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskName>,
    /// Jobs whose last failure has an error of this kind or a kind below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<ErrorKind>,
    /// Jobs with this tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Jobs that were enqueued before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enqueued_before: Option<Timestamp>,
}

impl LiveFilter {
    /// The places to read, one after the other. A job that comes due while the first is read is found
    /// in the second, and one that fails meanwhile in the third.
    fn places(&self) -> &'static [Place] {
        match self.state {
            Some(JobState::Pending | JobState::Running) => &[Place::Queue],
            Some(_) => &[Place::Schedule],
            None => &[Place::Schedule, Place::Queue, Place::Schedule],
        }
    }

    fn query(&self, place: Place) -> JobsQuery {
        JobsQuery {
            state: self.state,
            queue: self.queue.clone(),
            task: self.task.clone(),
            error_kind: self.error_kind.clone(),
            tag: self.tag.clone(),
            order: Order::OldestFirst,
            ..JobsQuery::at(place)
        }
    }

    /// Whether the job was enqueued before the batch started, and before the filter's time.
    fn fits_age(&self, job: &JobSummary, until: Timestamp) -> bool {
        // The clock of its producer may be ahead of the broker's.
        let enqueued = job.enqueued_at.map_or(job.stored_at, |at| at.min(job.stored_at));
        let is_old = self.enqueued_before.is_none_or(|before| enqueued < before);
        // The queue of NAQ's own jobs counts only if the filter names it.
        let is_meant = self.queue.is_some() || job.key.queue.as_str() != CHORES;
        enqueued <= until && is_old && is_meant
    }
}

/// The jobs of one page, and where the next page starts.
async fn summaries(
    lookup: &dyn Lookup,
    filter: &LiveFilter,
    cursor: &PageCursor,
    until: Timestamp,
    limit: usize,
) -> Result<(Vec<JobSummary>, Option<PageCursor>), TransportError> {
    let places = filter.places();
    let Some(place) = places.get(cursor.pass) else { return Ok((Vec::new(), None)) };
    // Without this end, the read of a queue that grows as fast would never end.
    let began_at = cursor.began_at.or_else(|| lookup.broker_now());
    let is_at_start = cursor.queue.is_none() && cursor.from == 0;
    let from = (!is_at_start).then(|| JobsCursor { queue: cursor.queue.clone(), seq: cursor.from });
    let query = JobsQuery {
        limit,
        until: began_at.map(|began_at| began_at + CLOCK_MARGIN),
        cursor: from.clone(),
        ..filter.query(*place)
    };
    let page = lookup.jobs(&query).await?;
    let mut jobs = page.jobs;
    jobs.retain(|job| filter.fits_age(job, until));
    let next = match page.next.filter(|next| from.as_ref() != Some(next)) {
        Some(JobsCursor { queue, seq }) => {
            Some(PageCursor { queue, from: seq, began_at, ..cursor.clone() })
        }
        None => Some(PageCursor { pass: cursor.pass + 1, ..PageCursor::default() })
            .filter(|next| next.pass < places.len()),
    };
    Ok((jobs, next))
}

/// The jobs of the page that starts at `cursor`, with their messages. A job that has moved since it was
/// listed is left out: it has ended, or a later page has it.
pub(super) async fn live_page(
    lookup: &dyn Lookup,
    filter: &LiveFilter,
    cursor: &PageCursor,
    until: Timestamp,
) -> Result<SelectedPage, TransportError> {
    let (jobs, next) = summaries(lookup, filter, cursor, until, SCANNED).await?;
    let found = join_bounded(jobs.into_iter().map(|job| async move {
        let place = JobsQuery::of(job.state).place;
        find_unchanged(lookup, &BatchItem { job: job.key, seq: job.seq }, place).await
    }));
    let found: Vec<_> = found.await.into_iter().collect::<Result<_, _>>()?;
    Ok(SelectedPage { stored: found.into_iter().flatten().collect(), gone: 0, next })
}

/// How many jobs match, and whether that is all of them. It stops after `cap` messages.
pub(super) async fn count_live(
    lookup: &dyn Lookup,
    filter: &LiveFilter,
    until: Timestamp,
    cap: usize,
) -> Result<(u64, bool), TransportError> {
    let (mut count, mut pages) = (0, 0);
    // Each place counts once.
    let last_pass = filter.places().len().min(2) - 1;
    let mut next = Some(PageCursor::default());
    while let Some(cursor) = next.filter(|next| next.pass <= last_pass) {
        if pages * SCAN >= cap {
            return Ok((count, false));
        }
        pages += 1;
        let (jobs, after) = summaries(lookup, filter, &cursor, until, SCAN).await?;
        count += jobs.len() as u64;
        next = after;
    }
    Ok((count, true))
}
