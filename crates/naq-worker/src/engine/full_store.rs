//! [`FullStore`]: when a job that has ended is acked without a record, because the broker's store is full.
//! A queue whose settling stores a record could never drain otherwise (ADR 0031). No I/O.

use std::sync::Mutex;
use std::time::Duration;

use naq_core::Timestamp;
use naq_core::sync::lock;

/// How often a record is tried before its job is acked without it.
const TRIES: u32 = 3;
/// After a record was given up, the next ones are tried once for this long.
const STAYS_FULL: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
struct FullState {
    since: Option<Timestamp>,
    last: Timestamp,
    unrecorded: u64,
}

/// What this worker knows of a full store.
#[derive(Debug, Default)]
pub(crate) struct FullStore(Mutex<FullState>);

/// A stretch of time in which records were given up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FullTime {
    pub(crate) lasted: Duration,
    /// How many jobs were acked without a record.
    pub(crate) unrecorded: u64,
}

impl FullStore {
    /// Whether a record that did not fit in this many tries is given up.
    pub(crate) fn gives_up(&self, tries: u32, now: Timestamp) -> bool {
        let state = lock(&self.0);
        let is_known = state.since.is_some() && now.since(state.last) < STAYS_FULL;
        tries >= TRIES || is_known
    }

    /// A job is acked without a record. Returns true for the first one.
    pub(crate) fn gave_up(&self, now: Timestamp) -> bool {
        let mut state = lock(&self.0);
        state.last = now;
        state.unrecorded += 1;
        let is_first = state.since.is_none();
        state.since.get_or_insert(now);
        is_first
    }

    /// A record was stored. Returns the time that is over now, if there was one. The clock is read only
    /// if records were given up.
    pub(crate) fn stored(&self, now: impl FnOnce() -> Timestamp) -> Option<FullTime> {
        let mut state = lock(&self.0);
        let since = state.since.filter(|_| now().since(state.last) >= STAYS_FULL)?;
        state.since = None;
        let unrecorded = std::mem::take(&mut state.unrecorded);
        Some(FullTime { lasted: state.last.since(since), unrecorded })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + seconds * 1_000)
    }

    #[test]
    fn a_record_is_tried_three_times_and_once_while_the_store_is_known_to_be_full() {
        let store = FullStore::default();
        assert!(!store.gives_up(1, at(0)) && !store.gives_up(2, at(0)) && store.gives_up(3, at(0)));
        assert!(store.gave_up(at(0)), "it is the first");
        assert!(store.gives_up(1, at(4)));
        assert!(!store.gave_up(at(4)));
        assert!(!store.gives_up(1, at(9)), "it may have room again");
    }

    #[test]
    fn the_end_is_told_once_when_records_fit_again() {
        let store = FullStore::default();
        assert_eq!(store.stored(|| at(0)), None);
        store.gave_up(at(1));
        store.gave_up(at(3));
        assert_eq!(store.stored(|| at(4)), None, "one record may fit while others do not");
        let over = FullTime { lasted: Duration::from_secs(2), unrecorded: 2 };
        assert_eq!(store.stored(|| at(8)), Some(over));
        assert_eq!(store.stored(|| at(9)), None);
    }
}
