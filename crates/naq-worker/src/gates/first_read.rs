//! [`FirstRead`]: jobs wait until a gate that watches the state store has read it once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use naq_core::{Timer, Timestamp};
use tokio::sync::Notify;

/// How long the first jobs wait at most.
const LONGEST: Duration = Duration::from_secs(1);

/// Whether a gate knows what is in the state store.
#[derive(Debug, Default)]
pub(super) struct FirstRead {
    over: AtomicBool,
    ended: Notify,
}

impl FirstRead {
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// The first read is over. From now on no job waits for it.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Release);
    }

    /// Wakes the jobs that wait. After [`end`](Self::end).
    pub(super) fn wake(&self) {
        self.ended.notify_waiters();
    }

    /// Waits until the first read is over. False when it took too long.
    pub(super) async fn wait(&self, timer: &dyn Timer, now: Timestamp) -> bool {
        let mut ended = std::pin::pin!(self.ended.notified());
        ended.as_mut().enable();
        if self.is_over() {
            return true;
        }
        tokio::select! {
            () = ended => true,
            () = timer.sleep_until(now + LONGEST) => false,
        }
    }
}
