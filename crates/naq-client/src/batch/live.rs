//! The pages of a batch over live jobs, and their number.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::transport::{JobSummary, JobsCursor, JobsQuery, Lookup, SCAN, TransportError};

use crate::batch::item::BatchItem;
use crate::batch::live_filter::LiveFilter;
use crate::batch::selected_page::{PageCursor, SCANNED, SelectedPage, find_unchanged};
use crate::join_bounded::join_bounded;

/// How far the clock of the broker may be ahead of what this process knows of it.
const CLOCK_MARGIN: Duration = Duration::from_secs(2);

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
