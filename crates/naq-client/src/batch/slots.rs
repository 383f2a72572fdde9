//! [`Slots`]: who comes when, at a rate, when nobody may come early.

use std::time::Duration;

use naq_core::clock::Timestamp;
use serde::{Deserialize, Serialize};

/// Rows of taken slots that are remembered. Past it the shortest is forgotten: one job more than the
/// rate may then come in its place.
const MAX_ROWS: usize = 500;

/// The slots that are taken, numbered by the rate, as rows without a gap: first, and one past the
/// last. Sorted, and apart from each other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Slots(Vec<(u64, u64)>);

impl Slots {
    /// Takes the first free slot for one that is due then, and says when that is. `origin` and
    /// `per_second` are the same each time.
    pub(super) fn take(
        &mut self,
        due_at: Timestamp,
        origin: Timestamp,
        per_second: f64,
    ) -> Timestamp {
        let own = (due_at.since(origin).as_secs_f64() * per_second).floor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let own = own as u64;
        let slot = self.insert(own);
        if slot == own {
            return due_at;
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53 for any time there is")]
        let after = Duration::try_from_secs_f64(slot as f64 / per_second);
        due_at.max(origin + after.unwrap_or(Duration::MAX))
    }

    /// The first free slot from this one on, taken.
    fn insert(&mut self, wanted: u64) -> u64 {
        let rows = &mut self.0;
        // The first row that ends behind it.
        let at = rows.partition_point(|(_, end)| *end <= wanted);
        let slot = match rows.get(at) {
            Some((first, end)) if *first <= wanted => *end,
            _ => wanted,
        };
        let at = rows.partition_point(|(_, end)| *end < slot);
        match rows.get_mut(at).filter(|(_, end)| *end == slot) {
            Some((_, end)) => *end += 1,
            None => rows.insert(at, (slot, slot + 1)),
        }
        if rows.get(at + 1).is_some_and(|(first, _)| *first == slot + 1) {
            rows[at].1 = rows.remove(at + 1).1;
        }
        if rows.len() > MAX_ROWS {
            let shortest = rows.iter().enumerate().min_by_key(|(_, (first, end))| end - first);
            if let Some((index, _)) = shortest {
                rows.remove(index);
            }
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> Timestamp = |millis| Timestamp::from_millis(1_000_000 + millis);

    fn dripped(dues: &[u64], per_second: f64) -> Vec<u64> {
        let mut slots = Slots::default();
        let take = |due: &u64| slots.take(AT(*due), AT(0), per_second).since(AT(0));
        dues.iter().map(take).map(|at| u64::try_from(at.as_millis()).expect("short")).collect()
    }

    #[test]
    fn a_storm_becomes_a_drip_that_begins_when_it_would_have_come() {
        assert_eq!(dripped(&[60_000; 4], 2.0), [60_000, 60_500, 61_000, 61_500]);
        assert_eq!(dripped(&[0; 3], 0.5), [0, 2_000, 4_000]);
    }

    #[test]
    fn one_that_has_its_time_to_itself_keeps_it_in_any_order() {
        assert_eq!(dripped(&[9_100, 100, 5_700], 1.0), [9_100, 100, 5_700]);
        // The second of the two in one second goes on to the first free one.
        assert_eq!(dripped(&[5_000, 6_900, 5_500], 1.0), [5_000, 6_900, 7_000]);
    }

    #[test]
    fn nobody_is_early_and_the_rate_holds_whatever_the_order() {
        let dues: Vec<u64> = (0..3000).map(|n| (n * 7_919) % 30_000).collect();
        let mut times = dripped(&dues, 10.0);
        assert!(times.iter().zip(&dues).all(|(at, due)| at >= due));
        times.sort_unstable();
        // Ten slots a second; a job that keeps its own time may be anywhere in its slot.
        for second in times.windows(12) {
            assert!(second[11] - second[0] >= 1000, "{second:?}");
        }
    }

    #[test]
    fn what_is_remembered_stays_small() {
        let mut slots = Slots::default();
        for n in 0..5_000 {
            slots.take(AT(n * 10_000), AT(0), 1.0);
        }
        assert_eq!(slots.0.len(), MAX_ROWS);
    }
}
