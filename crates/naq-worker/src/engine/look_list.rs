//! [`LookList`]: the deliveries of a queue that wait for a look at the broker.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use naq_core::sync::lock;
use tokio::sync::MutexGuard;

use crate::delivery::HeldDelivery;

/// The most deliveries that a look covers before they ask: about the jobs that start within some
/// milliseconds. More would make the answer slower for those that asked.
const MAX_AHEAD: usize = 256;

/// The deliveries that asked for a look, and whose turn it is to look for all of them.
#[derive(Debug, Default)]
pub(crate) struct LookList {
    asking: Mutex<Vec<Arc<HeldDelivery>>>,
    /// The deliveries that started with the evidence of an earlier look, since the last look began.
    started: AtomicUsize,
    turn: tokio::sync::Mutex<LookTurn>,
}

/// The right to look for all that ask.
#[derive(Debug, Default)]
pub(crate) struct LookTurn {
    /// How many deliveries the last look covered before they asked.
    ahead: usize,
}

impl LookList {
    /// Asks for a look, and waits until no other one is under way.
    pub(crate) async fn ask(&self, held: &Arc<HeldDelivery>) -> MutexGuard<'_, LookTurn> {
        lock(&self.asking).push(held.clone());
        self.turn.lock().await
    }

    /// All that ask, if this one still does. Otherwise an earlier look has covered it.
    pub(crate) fn take_all(&self, held: &Arc<HeldDelivery>) -> Option<Vec<Arc<HeldDelivery>>> {
        let mut asking = lock(&self.asking);
        let asks = asking.iter().any(|it| Arc::ptr_eq(it, held));
        asks.then(|| std::mem::take(&mut *asking))
    }

    /// A doubtful delivery starts with evidence that is fresh already.
    pub(crate) fn note_start(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    /// How many deliveries the next look covers before they ask.
    pub(crate) fn next_ahead(&self, turn: &mut LookTurn) -> usize {
        turn.ahead = next_ahead(turn.ahead, self.started.swap(0, Ordering::Relaxed));
        turn.ahead
    }
}

/// As many as `started` with the evidence of the last look, which covered `ahead`; twice as many while all of
/// them started. So slow jobs cause no looks for nothing.
fn next_ahead(ahead: usize, started: usize) -> usize {
    let next = if started >= ahead { started.max(ahead * 2).max(1) } else { started };
    next.min(MAX_AHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_covers_more_while_all_that_it_covered_start_and_none_when_none_does() {
        let mut ahead = 0;
        let mut grown = Vec::new();
        for _ in 0..10 {
            ahead = next_ahead(ahead, ahead);
            grown.push(ahead);
        }
        assert_eq!(grown, [1, 2, 4, 8, 16, 32, 64, 128, 256, 256]);
        assert_eq!(next_ahead(256, 100), 100);
        assert_eq!(next_ahead(100, 0), 0);
        // More started than it covered: their evidence is from the check at their arrival.
        assert_eq!(next_ahead(1, 50), 50);
    }
}
