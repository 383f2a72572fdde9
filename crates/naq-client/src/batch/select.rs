//! [`select_page`]: the next items of a batch, and where the page after them starts. Needs only
//! [`Lookup`].

use naq_core::clock::Timestamp;
use naq_core::names::{CHORES, QueueName};
use naq_core::state::JobState;
use naq_core::transport::{Lookup, Place, Stored, TransportError};

use crate::batch::item::BatchItem;
use crate::batch::live::live_page;
use crate::batch::scope::{BatchScope, WaitingFilter};
use crate::batch::selected_page::{PageCursor, SCANNED, SelectedPage, find_unchanged};
use crate::join_bounded::join_bounded;
use crate::{DeadFilter, JobReport};

/// A page ends when its messages have this many bytes.
const PAGE_BYTES: usize = 16 * 1024 * 1024;

/// The letters or jobs of the page that starts at `cursor`.
pub(super) async fn select_page(
    lookup: &dyn Lookup,
    scope: &BatchScope,
    cursor: &PageCursor,
    letters_until: Timestamp,
) -> Result<SelectedPage, TransportError> {
    match scope {
        BatchScope::Dead(filter) => dead_page(lookup, filter, cursor, letters_until).await,
        BatchScope::Waiting(filter) => waiting_page(lookup, filter, cursor).await,
        BatchScope::Letters(items) => selected_page(lookup, items, cursor, Place::Dead).await,
        BatchScope::Live(filter) => live_page(lookup, filter, cursor, letters_until).await,
        BatchScope::Jobs(items) => selected_page(lookup, items, cursor, Place::Schedule).await,
    }
}

async fn dead_page(
    lookup: &dyn Lookup,
    filter: &DeadFilter,
    cursor: &PageCursor,
    until: Timestamp,
) -> Result<SelectedPage, TransportError> {
    let page = lookup.dead_letters(filter.queue.as_ref(), cursor.from, SCANNED).await?;
    let (mut letters, cut) = cut_to_size(page.letters);
    let before = letters.len();
    // Leaves out jobs that died after the start of the batch: a requeued job that dies again would
    // otherwise be requeued without end.
    letters.retain(|letter| letter.stored_at <= until);
    let next = cut.or(page.next).filter(|_| letters.len() == before);
    letters.retain(|letter| filter.fits(letter));
    let next = next.map(|from| PageCursor { from, ..PageCursor::default() });
    Ok(SelectedPage { stored: letters, gone: 0, next })
}

async fn waiting_page(
    lookup: &dyn Lookup,
    filter: &WaitingFilter,
    cursor: &PageCursor,
) -> Result<SelectedPage, TransportError> {
    let Some(queue) = &cursor.queue else {
        let first = next_queue(lookup, filter, None).await?;
        return Ok(SelectedPage { next: first, ..SelectedPage::default() });
    };
    let page = lookup.waiting_jobs(queue, cursor.from, SCANNED).await?;
    let (mut jobs, cut) = cut_to_size(page.jobs);
    let before = jobs.len();
    jobs.retain(|job| job.seq <= cursor.until);
    let next = cut.or(page.next).filter(|_| jobs.len() == before);
    jobs.retain(|job| filter.fits(job) && !is_blocked(job));
    let next = match next {
        Some(from) => Some(PageCursor { from, ..cursor.clone() }),
        None => next_queue(lookup, filter, Some(queue)).await?,
    };
    Ok(SelectedPage { stored: jobs, gone: 0, next })
}

/// The start of the first queue after `after` that matches the filter and has waiting jobs.
async fn next_queue(
    lookup: &dyn Lookup,
    filter: &WaitingFilter,
    after: Option<&QueueName>,
) -> Result<Option<PageCursor>, TransportError> {
    let queues = match &filter.queue {
        Some(queue) => vec![queue.clone()],
        // The queue of NAQ's own jobs counts only if the filter names it.
        None => {
            let mut queues = lookup.queues().await?;
            queues.retain(|queue| queue.as_str() != CHORES);
            queues
        }
    };
    for queue in queues.into_iter().filter(|queue| after.is_none_or(|after| queue > after)) {
        let Some(info) = lookup.queue_info(&queue).await? else { continue };
        if info.waiting > 0 {
            return Ok(Some(PageCursor {
                queue: Some(queue),
                until: info.last_seq,
                ..PageCursor::default()
            }));
        }
    }
    Ok(None)
}

async fn selected_page(
    lookup: &dyn Lookup,
    items: &[BatchItem],
    cursor: &PageCursor,
    place: Place,
) -> Result<SelectedPage, TransportError> {
    let from = usize::try_from(cursor.from).unwrap_or(usize::MAX);
    let of_page = items.iter().skip(from).take(SCANNED);
    let asked = of_page.len();
    let rest = items.len() > from.saturating_add(SCANNED);
    let found = join_bounded(of_page.map(|item| find_unchanged(lookup, item, place))).await;
    let found: Vec<_> = found.into_iter().collect::<Result<_, _>>()?;
    let mut stored: Vec<Stored> = found.into_iter().flatten().collect();
    let gone = (asked - stored.len()) as u64;
    stored.retain(|stored| !is_blocked(stored));
    stored.sort_by_key(|stored| stored.seq);
    let next =
        rest.then(|| PageCursor { from: cursor.from + asked as u64, ..PageCursor::default() });
    Ok(SelectedPage { stored, gone, next })
}

/// The messages that fit into a page by their size, and where the next page starts if some do not.
fn cut_to_size(mut stored: Vec<Stored>) -> (Vec<Stored>, Option<u64>) {
    let mut bytes = 0;
    let over = stored.iter().skip(1).position(|stored| {
        bytes += stored.message.size();
        bytes > PAGE_BYTES
    });
    let Some(over) = over else { return (stored, None) };
    let next = stored[over + 1].seq;
    stored.truncate(over + 1);
    (stored, Some(next))
}

/// True if a waiting job waits for other jobs to end: it has no due time of its own yet.
fn is_blocked(stored: &Stored) -> bool {
    let report =
        (stored.place == Place::Schedule).then(|| JobReport::resolve(std::slice::from_ref(stored)));
    report.flatten().is_some_and(|report| report.state == JobState::Blocked)
}
