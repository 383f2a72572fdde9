//! [`SelectedPage`]: the items of one page of a batch as they were read, and where the next page starts.

use naq_core::clock::Timestamp;
use naq_core::names::QueueName;
use naq_core::transport::{Lookup, Place, Stored, TransportError};
use serde::{Deserialize, Serialize};

use crate::batch::item::BatchItem;

/// How many letters or jobs are read for one page.
pub(super) const SCANNED: usize = 100;
/// Where a page starts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct PageCursor {
    /// For waiting jobs: the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) queue: Option<QueueName>,
    /// The sequence of the next message. In a list of selected items, the index of the next item.
    pub(super) from: u64,
    /// For waiting jobs: the last sequence of the queue. A job with a later sequence was
    /// enqueued after the batch started, or the batch has moved it.
    #[serde(default)]
    pub(super) until: u64,
    /// For live jobs: which of the filter's places is read, counted from 0.
    #[serde(default)]
    pub(super) pass: usize,
    /// For live jobs: when the read of this place began. A later message is not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) began_at: Option<Timestamp>,
}

/// The items of one page as they were read.
#[derive(Debug, Default)]
pub(super) struct SelectedPage {
    pub(super) stored: Vec<Stored>,
    /// How many of the selected items no longer exist.
    pub(super) gone: u64,
    /// `None` after the last page.
    pub(super) next: Option<PageCursor>,
}

/// The message of this item, if it is still at this place with the same sequence.
pub(super) async fn find_unchanged(
    lookup: &dyn Lookup,
    item: &BatchItem,
    place: Place,
) -> Result<Option<Stored>, TransportError> {
    let found = match place {
        Place::Dead => lookup.dead_letters(Some(&item.job.queue), item.seq, 1).await?.letters,
        _ => lookup.locate(&item.job).await?,
    };
    Ok(found.into_iter().find(|it| it.place == place && it.seq == item.seq && it.key == item.job))
}
