//! Which come next: a page of letters or jobs, and where the page after it begins.

use naq_core::clock::Timestamp;
use naq_core::names::{CHORES, QueueName};
use naq_core::state::JobState;
use naq_core::transport::{Place, Stored, TransportError};
use serde::{Deserialize, Serialize};

use crate::batch::scope::{BatchItem, BatchScope, WaitingFilter};
use crate::together::together;
use crate::{Client, DeadFilter, JobReport};

/// Letters or jobs that are looked at for one page.
pub(super) const SCANNED: usize = 100;
/// Bytes of them at which a page ends.
const PAGE_BYTES: usize = 16 * 1024 * 1024;

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// The queue, of waiting jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) queue: Option<QueueName>,
    /// The sequence, or of those that are named one by one, which of them.
    pub(super) from: u64,
    /// In that queue: jobs with a later sequence came after the batch, or were moved by it.
    #[serde(default)]
    pub(super) until: u64,
}

/// What a page found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) stored: Vec<Stored>,
    /// Of those that are named one by one, how many are not there any more.
    pub(super) gone: u64,
    /// None after the last.
    pub(super) next: Option<Cursor>,
}

impl Client {
    /// The letters or jobs that fit on the page that begins here.
    pub(super) async fn select(
        &self,
        scope: &BatchScope,
        cursor: &Cursor,
        letters_until: Timestamp,
    ) -> Result<Found, TransportError> {
        match scope {
            BatchScope::Dead(filter) => self.dead_page(filter, cursor, letters_until).await,
            BatchScope::Waiting(filter) => self.waiting_page(filter, cursor).await,
            BatchScope::Letters(items) => self.selected(items, cursor, Place::Dead).await,
            BatchScope::Jobs(items) => self.selected(items, cursor, Place::Schedule).await,
        }
    }

    async fn dead_page(
        &self,
        filter: &DeadFilter,
        cursor: &Cursor,
        until: Timestamp,
    ) -> Result<Found, TransportError> {
        let queue = filter.queue.as_ref();
        let page = self.transport.dead_letters(queue, cursor.from, SCANNED).await?;
        let (mut letters, cut) = cut(page.letters);
        let before = letters.len();
        letters.retain(|letter| letter.stored_at <= until);
        // What dies again while this runs is not meant: there would be no end to it.
        let next = cut.or(page.next).filter(|_| letters.len() == before);
        letters.retain(|letter| filter.fits(letter));
        let next = next.map(|from| Cursor { from, ..Cursor::default() });
        Ok(Found { stored: letters, gone: 0, next })
    }

    async fn waiting_page(
        &self,
        filter: &WaitingFilter,
        cursor: &Cursor,
    ) -> Result<Found, TransportError> {
        let Some(queue) = &cursor.queue else {
            let first = self.enter_queue(filter, None).await?;
            return Ok(Found { next: first, ..Found::default() });
        };
        let page = self.transport.waiting_jobs(queue, cursor.from, SCANNED).await?;
        let (mut jobs, cut) = cut(page.jobs);
        let before = jobs.len();
        jobs.retain(|job| job.seq <= cursor.until);
        let next = cut.or(page.next).filter(|_| jobs.len() == before);
        jobs.retain(|job| filter.fits(job) && !is_blocked(job));
        let next = match next {
            Some(from) => Some(Cursor { from, ..cursor.clone() }),
            None => self.enter_queue(filter, Some(queue)).await?,
        };
        Ok(Found { stored: jobs, gone: 0, next })
    }

    /// Where the first queue after this one begins, of those that are meant.
    async fn enter_queue(
        &self,
        filter: &WaitingFilter,
        after: Option<&QueueName>,
    ) -> Result<Option<Cursor>, TransportError> {
        let queues = match &filter.queue {
            Some(queue) => vec![queue.clone()],
            // NAQ's own jobs are nobody's business, unless they are asked for.
            None => {
                let mut queues = self.transport.queues().await?;
                queues.retain(|queue| queue.as_str() != CHORES);
                queues
            }
        };
        for queue in queues.into_iter().filter(|queue| after.is_none_or(|after| queue > after)) {
            let Some(info) = self.transport.queue_info(&queue).await? else { continue };
            if info.waiting > 0 {
                return Ok(Some(Cursor { queue: Some(queue), from: 0, until: info.last_seq }));
            }
        }
        Ok(None)
    }

    async fn selected(
        &self,
        items: &[BatchItem],
        cursor: &Cursor,
        place: Place,
    ) -> Result<Found, TransportError> {
        let from = usize::try_from(cursor.from).unwrap_or(usize::MAX);
        let here = items.iter().skip(from).take(SCANNED);
        let (asked, rest) = (here.len(), items.len() > from.saturating_add(SCANNED));
        let found = together(here.map(|item| self.stands_there(item, place))).await;
        let found: Vec<_> = found.into_iter().collect::<Result<_, _>>()?;
        let mut stored: Vec<Stored> = found.into_iter().flatten().collect();
        let gone = (asked - stored.len()) as u64;
        stored.retain(|stored| !is_blocked(stored));
        stored.sort_by_key(|stored| stored.seq);
        let next = rest.then(|| Cursor { from: cursor.from + asked as u64, ..Cursor::default() });
        Ok(Found { stored, gone, next })
    }

    /// This very letter or message, if it stands there still.
    pub(super) async fn stands_there(
        &self,
        item: &BatchItem,
        place: Place,
    ) -> Result<Option<Stored>, TransportError> {
        let found = match place {
            Place::Dead => {
                let queue = Some(&item.job.queue);
                self.transport.dead_letters(queue, item.seq, 1).await?.letters
            }
            _ => self.transport.locate(&item.job).await?,
        };
        Ok(found.into_iter().find(|it| it.place == place && it.seq == item.seq))
    }
}

/// Those that fit into a page by their size, and where the others begin.
fn cut(mut stored: Vec<Stored>) -> (Vec<Stored>, Option<u64>) {
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

/// Whether a waiting job waits for others to end: it has no time of its own yet.
fn is_blocked(stored: &Stored) -> bool {
    let report =
        (stored.place == Place::Schedule).then(|| JobReport::resolve(std::slice::from_ref(stored)));
    report.flatten().is_some_and(|report| report.state == JobState::Blocked)
}
