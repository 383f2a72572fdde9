//! [`Page`]: what is about to be done, written down before it is done.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::retry::spread;
use naq_core::transport::{BlobRef, JobKey, Stored};
use serde::{Deserialize, Serialize};

use crate::batch::action::{BatchAction, interval};
use crate::batch::scope::BatchItem;
use crate::batch::select::{Cursor, Found};
use crate::batch::slots::Slots;

/// One letter or job, and when it will be due by what is done with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Planned {
    #[serde(flatten)]
    pub(super) item: BatchItem,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) due_at: Option<Timestamp>,
}

/// Some of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Page {
    pub(super) items: Vec<Planned>,
    /// Those that were found and are left alone.
    #[serde(default)]
    pub(super) skipped: u64,
    /// Where the next page begins.
    pub(super) next: Option<Cursor>,
    /// The time of the next one after this page, at a rate.
    pub(super) next_due: Timestamp,
    /// The slots that are taken after this page, where nobody may come early.
    #[serde(default)]
    pub(super) slots: Slots,
    /// The letters as they were, for an undo: which job's blob it is, and which of its blobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) letters: Option<(JobKey, String)>,
}

/// What a plan goes by.
pub(super) struct Terms<'a> {
    pub(super) action: &'a BatchAction,
    /// Makes the spread of one batch another than that of the next.
    pub(super) seed: &'a str,
    pub(super) undo_window: Duration,
    pub(super) next_due: Timestamp,
    pub(super) slots: &'a Slots,
    /// When the batch was started: the first slot.
    pub(super) origin: Timestamp,
    pub(super) now: Timestamp,
}

impl Page {
    /// What is to be done with those that were found. Pure: the same again for the same terms.
    pub(super) fn plan(found: &Found, terms: &Terms<'_>) -> Self {
        let mut page = Self {
            items: Vec::with_capacity(found.stored.len()),
            skipped: found.gone,
            next: found.next.clone(),
            next_due: terms.next_due,
            slots: terms.slots.clone(),
            letters: None,
        };
        for stored in &found.stored {
            match page.due(stored, terms) {
                Some(due_at) => page.items.push(Planned { item: stored.into(), due_at }),
                None => page.skipped += 1,
            }
        }
        page
    }

    /// When this one is due by the action; nothing where it is left alone.
    fn due(&mut self, stored: &Stored, terms: &Terms<'_>) -> Option<Option<Timestamp>> {
        match terms.action {
            BatchAction::PurgeDead | BatchAction::Release | BatchAction::Cancel => Some(None),
            BatchAction::RequeueDead { per_second } => {
                let first = terms.now + terms.undo_window;
                match per_second {
                    Some(rate) => Some(Some(self.slot(first, *rate))),
                    None if terms.undo_window.is_zero() => Some(None),
                    None => Some(Some(first)),
                }
            }
            BatchAction::Drip { per_second } => {
                let own = stored.due_at.unwrap_or(terms.now).max(terms.now);
                let due_at = self.slots.take(own, terms.origin, *per_second);
                // One that has its slot to itself stays where it is.
                (due_at > own).then_some(Some(due_at))
            }
            BatchAction::Spread { over } => {
                let end = terms.now + *over;
                let due_at = stored.due_at.unwrap_or(terms.now).max(terms.now);
                let left = end.since(due_at);
                if left.is_zero() {
                    return None;
                }
                let own = format!("{}/{}", terms.seed, stored.key);
                Some(Some(due_at + spread(&own, left)))
            }
        }
    }

    /// The next time at this rate, not before `first`.
    fn slot(&mut self, first: Timestamp, per_second: f64) -> Timestamp {
        let slot = self.next_due.max(first);
        self.next_due = slot + interval(per_second);
        slot
    }

    /// When the last of them is due.
    pub(super) fn last_due(&self) -> Option<Timestamp> {
        self.items.iter().filter_map(|planned| planned.due_at).max()
    }

    /// The blob with its letters.
    pub(super) fn letters(&self) -> Option<(JobKey, BlobRef)> {
        let (job, blob) = self.letters.as_ref()?;
        Some((job.clone(), blob.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use naq_core::transport::Place;
    use naq_core::wire::WireMessage;

    const AT: fn(u64) -> Timestamp = |millis| Timestamp::from_millis(1_000_000 + millis);

    fn found(dues: &[Option<u64>]) -> Found {
        let stored = |(n, due): (usize, &Option<u64>)| Stored {
            key: format!("mail/job-{n}").parse().expect("a key"),
            place: Place::Schedule,
            seq: n as u64,
            stored_at: AT(0),
            due_at: due.map(AT),
            delivered: false,
            message: WireMessage::new(Bytes::from_static(b"{}")),
        };
        Found { stored: dues.iter().enumerate().map(stored).collect(), ..Found::default() }
    }

    fn plan(action: &BatchAction, dues: &[Option<u64>], next_due: u64) -> Page {
        let (now, undo_window) = (AT(0), Duration::from_secs(10));
        let (next_due, slots, origin) = (AT(next_due), &Slots::default(), now);
        let terms = Terms { action, seed: "b", undo_window, next_due, slots, origin, now };
        Page::plan(&found(dues), &terms)
    }

    fn dues(page: &Page) -> Vec<Option<u64>> {
        page.items.iter().map(|it| it.due_at.map(|at| at.since(AT(0)).as_millis() as u64)).collect()
    }

    #[test]
    fn a_requeue_at_a_rate_begins_after_the_window_and_the_next_page_goes_on() {
        let action = BatchAction::RequeueDead { per_second: Some(4.0) };
        let first = plan(&action, &[None; 3], 0);
        assert_eq!(dues(&first), [Some(10_000), Some(10_250), Some(10_500)]);
        let later = plan(&action, &[None; 2], first.next_due.since(AT(0)).as_millis() as u64);
        assert_eq!(dues(&later), [Some(10_750), Some(11_000)]);
        let all = plan(&BatchAction::RequeueDead { per_second: None }, &[None; 2], 0);
        assert_eq!(dues(&all), [Some(10_000); 2]);
    }

    #[test]
    fn a_drip_leaves_alone_what_comes_slowly_enough() {
        let action = BatchAction::Drip { per_second: 1.0 };
        let page = plan(&action, &[Some(5_000), Some(60_000), Some(5_000)], 0);
        assert_eq!(dues(&page), [Some(6_000)]);
        assert_eq!((page.skipped, page.items[0].item.seq), (2, 2));
    }

    #[test]
    fn a_spread_keeps_within_its_span_and_brings_none_forward() {
        let span = Duration::from_secs(100);
        let times: Vec<_> = (0..1000).map(|n| Some(if n == 7 { 100_001 } else { 5_000 })).collect();
        let page = plan(&BatchAction::Spread { over: span }, &times, 0);
        assert_eq!((page.items.len(), page.skipped), (999, 1));
        let mut all: Vec<u64> = dues(&page).into_iter().flatten().collect();
        all.sort_unstable();
        assert!(all[0] >= 5_000 && all[998] <= 100_001);
        // Even: no tenth of the span has more than twice its part.
        for tenth in all.chunk_by(|a, b| a / 10_000 == b / 10_000) {
            assert!(tenth.len() < 220, "{}", tenth.len());
        }
        assert_eq!(dues(&plan(&BatchAction::Spread { over: span }, &times, 0)), dues(&page));
    }
}
