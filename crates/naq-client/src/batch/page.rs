//! [`BatchPage`]: the plan for some items of a batch. The batch stores it before it acts on them.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::names::JobKey;
use naq_core::retry::spread;
use naq_core::transport::{BlobRef, Stored};
use naq_core::wire::Nonce;
use serde::{Deserialize, Serialize};

use crate::batch::action::{BatchAction, interval};
use crate::batch::drip_times::DripTimes;
use crate::batch::item::BatchItem;
use crate::batch::selected_page::{PageCursor, SelectedPage};

/// One item, and its due time after the action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlannedItem {
    #[serde(flatten)]
    pub(super) item: BatchItem,
    /// When the broker stored it. Pages of earlier releases do not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stored_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) due_at: Option<Timestamp>,
}

impl PlannedItem {
    /// The nonce of the life that a requeue of this letter begins.
    pub(super) fn next_life(&self) -> Nonce {
        let seq = self.item.seq;
        self.stored_at.map_or_else(|| Nonce::from_requeue(seq), |at| Nonce::of_requeue(seq, at))
    }

    /// Whether this is the message that was planned, and not another one with its sequence.
    pub(super) fn is(&self, stored: &Stored) -> bool {
        stored.seq == self.item.seq
            && stored.key == self.item.job
            && self.stored_at.is_none_or(|at| at == stored.stored_at)
    }
}

/// The plan for one page of items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BatchPage {
    pub(super) items: Vec<PlannedItem>,
    /// How many of the found items the action does not change.
    #[serde(default)]
    pub(super) skipped: u64,
    /// Where the next page starts.
    pub(super) next: Option<PageCursor>,
    /// With a rate: the due time of the first item after this page.
    pub(super) next_due: Timestamp,
    /// For a drip: the times that jobs of this page and of earlier pages have taken.
    #[serde(default, rename = "slots")]
    pub(super) drip_times: DripTimes,
    /// For an undo: where the blob with the letters is, as a job and the name of a blob of that job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) letters: Option<(JobKey, String)>,
}

/// The input of [`BatchPage::plan`].
pub(super) struct PageInput<'a> {
    pub(super) action: &'a BatchAction,
    /// Differs between batches, so that two batches spread the same jobs differently.
    pub(super) seed: &'a str,
    pub(super) undo_window: Duration,
    pub(super) next_due: Timestamp,
    pub(super) drip_times: &'a DripTimes,
    /// When the batch was started.
    pub(super) origin: Timestamp,
    pub(super) now: Timestamp,
}

impl BatchPage {
    /// Plans the action for the items that were found. Pure: the same input gives the same plan.
    pub(super) fn plan(found: &SelectedPage, input: &PageInput<'_>) -> Self {
        let mut page = Self {
            items: Vec::with_capacity(found.stored.len()),
            skipped: found.gone,
            next: found.next.clone(),
            next_due: input.next_due,
            drip_times: input.drip_times.clone(),
            letters: None,
        };
        for stored in &found.stored {
            match page.due_time(stored, input) {
                Some(due_at) => page.items.push(PlannedItem {
                    item: stored.into(),
                    stored_at: Some(stored.stored_at),
                    due_at,
                }),
                None => page.skipped += 1,
            }
        }
        page
    }

    /// The outer `None`: the action does not change this item. The inner `Option` is the item's due
    /// time after the action, `None` if it has none.
    fn due_time(&mut self, stored: &Stored, input: &PageInput<'_>) -> Option<Option<Timestamp>> {
        match input.action {
            BatchAction::PurgeDead | BatchAction::Release | BatchAction::Cancel => Some(None),
            BatchAction::RequeueDead { per_second } => {
                let first = input.now + input.undo_window;
                match per_second {
                    Some(rate) => {
                        let due_at = self.next_drip_time(first, *rate);
                        // A job that is due now goes to its queue without a wait on the schedule.
                        Some((due_at > input.now).then_some(due_at))
                    }
                    None if input.undo_window.is_zero() => Some(None),
                    None => Some(Some(first)),
                }
            }
            BatchAction::Drip { per_second } => {
                let own = stored.due_at.unwrap_or(input.now).max(input.now);
                let due_at = self.drip_times.take(own, input.origin, *per_second);
                // A job that is alone in its interval keeps its time.
                (due_at > own).then_some(Some(due_at))
            }
            BatchAction::Spread { over } => {
                let end = input.now + *over;
                let due_at = stored.due_at.unwrap_or(input.now).max(input.now);
                let left = end.since(due_at);
                if left.is_zero() {
                    return None;
                }
                let own = format!("{}/{}", input.seed, stored.key);
                Some(Some(due_at + spread(&own, left)))
            }
        }
    }

    /// The next due time at this rate, not before `first`.
    fn next_drip_time(&mut self, first: Timestamp, per_second: f64) -> Timestamp {
        let due_at = self.next_due.max(first);
        self.next_due = due_at + interval(per_second);
        due_at
    }

    /// The due time of the last item.
    pub(super) fn last_due(&self) -> Option<Timestamp> {
        self.items.iter().filter_map(|planned| planned.due_at).max()
    }

    /// The blob with the letters of this page.
    pub(super) fn letters(&self) -> Option<(JobKey, BlobRef)> {
        let (job, blob) = self.letters.as_ref()?;
        Some((job.clone(), blob.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use naq_core::clock::millis;
    use naq_core::transport::Place;
    use naq_core::wire::WireMessage;

    const AT: fn(u64) -> Timestamp = |millis| Timestamp::from_millis(1_000_000 + millis);

    fn found(dues: &[Option<u64>]) -> SelectedPage {
        let stored = |(n, due): (usize, &Option<u64>)| Stored {
            key: format!("mail/job-{n}").parse().expect("a key"),
            place: Place::Schedule,
            seq: n as u64,
            stored_at: AT(0),
            due_at: due.map(AT),
            delivered: false,
            message: WireMessage::new(Bytes::from_static(b"{}")),
        };
        SelectedPage {
            stored: dues.iter().enumerate().map(stored).collect(),
            ..SelectedPage::default()
        }
    }

    fn plan(action: &BatchAction, dues: &[Option<u64>], next_due: u64) -> BatchPage {
        let input = PageInput {
            action,
            seed: "b",
            undo_window: Duration::from_secs(10),
            next_due: AT(next_due),
            drip_times: &DripTimes::default(),
            origin: AT(0),
            now: AT(0),
        };
        BatchPage::plan(&found(dues), &input)
    }

    fn dues(page: &BatchPage) -> Vec<Option<u64>> {
        page.items.iter().map(|it| it.due_at.map(|at| millis(at.since(AT(0))))).collect()
    }

    #[test]
    fn a_requeue_at_a_rate_starts_after_the_window_and_the_next_page_continues() {
        let action = BatchAction::RequeueDead { per_second: Some(4.0) };
        let first = plan(&action, &[None; 3], 0);
        assert_eq!(dues(&first), [Some(10_000), Some(10_250), Some(10_500)]);
        let later = plan(&action, &[None; 2], millis(first.next_due.since(AT(0))));
        assert_eq!(dues(&later), [Some(10_750), Some(11_000)]);
        let all = plan(&BatchAction::RequeueDead { per_second: None }, &[None; 2], 0);
        assert_eq!(dues(&all), [Some(10_000); 2]);
    }

    #[test]
    fn without_an_undo_window_the_first_job_of_a_requeue_is_due_at_once() {
        for (per_second, expected) in [(None, [None; 2]), (Some(4.0), [None, Some(250)])] {
            let input = PageInput {
                action: &BatchAction::RequeueDead { per_second },
                seed: "b",
                undo_window: Duration::ZERO,
                next_due: AT(0),
                drip_times: &DripTimes::default(),
                origin: AT(0),
                now: AT(0),
            };
            assert_eq!(dues(&BatchPage::plan(&found(&[None; 2]), &input)), expected);
        }
    }

    #[test]
    fn a_drip_does_not_move_jobs_that_are_alone_in_their_interval() {
        let action = BatchAction::Drip { per_second: 1.0 };
        let page = plan(&action, &[Some(5_000), Some(60_000), Some(5_000)], 0);
        assert_eq!(dues(&page), [Some(6_000)]);
        assert_eq!((page.skipped, page.items[0].item.seq), (2, 2));
    }

    #[test]
    fn a_spread_stays_within_its_span_and_makes_no_job_earlier() {
        let span = Duration::from_secs(100);
        let times: Vec<_> = (0..1000).map(|n| Some(if n == 7 { 100_001 } else { 5_000 })).collect();
        let page = plan(&BatchAction::Spread { over: span }, &times, 0);
        assert_eq!((page.items.len(), page.skipped), (999, 1));
        let mut all: Vec<u64> = dues(&page).into_iter().flatten().collect();
        all.sort_unstable();
        assert!(all[0] >= 5_000 && all[998] <= 100_001);
        // Even: no tenth of the span has more than twice its share.
        for tenth in all.chunk_by(|a, b| a / 10_000 == b / 10_000) {
            assert!(tenth.len() < 220, "{}", tenth.len());
        }
        assert_eq!(dues(&plan(&BatchAction::Spread { over: span }, &times, 0)), dues(&page));
    }
}
