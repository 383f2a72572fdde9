//! The deduplication window of one stream.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use naq_core::clock::Timestamp;

/// How long an id counts as a duplicate: JetStream's default.
const WINDOW: Duration = Duration::from_secs(120);

/// The ids stored within the window. An id stays here after its message was removed.
#[derive(Debug, Default)]
pub(crate) struct Dedup {
    ids: HashMap<String, Timestamp>,
    order: VecDeque<(Timestamp, String)>,
}

impl Dedup {
    pub(crate) fn knows(&self, id: &str, now: Timestamp) -> bool {
        self.since(id, now).is_some()
    }

    /// When the id was stored, if it counts as a duplicate.
    pub(crate) fn since(&self, id: &str, now: Timestamp) -> Option<Timestamp> {
        self.ids.get(id).copied().filter(|since| now.since(*since) < WINDOW)
    }

    /// Forgets an id before its time.
    pub(crate) fn forget(&mut self, id: &str) {
        self.ids.remove(id);
    }

    pub(crate) fn remember(&mut self, id: &str, now: Timestamp) {
        while let Some((since, _)) = self.order.front()
            && now.since(*since) >= WINDOW
            && let Some((since, old)) = self.order.pop_front()
        {
            // An id that was stored again later stays.
            if self.ids.get(&old) == Some(&since) {
                self.ids.remove(&old);
            }
        }
        self.ids.insert(id.to_owned(), now);
        self.order.push_back((now, id.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_for_the_window_and_then_forgotten() {
        let mut dedup = Dedup::default();
        let start = Timestamp::from_millis(1000);
        dedup.remember("a", start);
        assert!(dedup.knows("a", start + (WINDOW - Duration::from_millis(1))));
        assert!(!dedup.knows("a", start + WINDOW));
        dedup.remember("b", start + WINDOW);
        assert_eq!((dedup.ids.len(), dedup.order.len()), (1, 1), "expired ids are removed");
    }
}
