//! Bounds the bytes that the broker may have under way to this process at once.
//!
//! A nats-server keeps what a client has not read yet, and closes the connection when that is more than
//! its `max_pending` (64 MiB by default). What was under way is lost then, and jobs that were under way
//! come again. All queues and reads of a process share one connection, so they share this bound.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Jobs under way, in all pulls of all queues.
const PULLED: usize = 24 * MIB;
/// Pulls of one queue that may share its part.
const PULLS: usize = 4;
/// Messages under way that were read without a delivery.
const READ: usize = 24 * MIB;
/// The bytes after which the broker ends one answer. It sends the message that exceeds them.
pub(crate) const READ_AT_ONCE: usize = 2 * MIB;
/// What subject, reply subject and the broker's headers may add to a message.
const OVERHEAD: usize = 4 * 1024;
const MIB: usize = 1024 * 1024;

/// What may be under way on one connection.
#[derive(Debug)]
pub(crate) struct UnderWay {
    /// Queues that are open on this connection.
    queues: AtomicUsize,
    reads: Semaphore,
}

/// The bounds of the pulls of one queue, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PullBytes {
    /// For one pull. The largest message of the broker fits.
    pub(crate) each: usize,
    /// For all open pulls. One pull is always allowed.
    pub(crate) all: usize,
}

/// The bounds for each of `queues`. A queue gets its part, but no less than one message of the largest
/// size needs: otherwise the broker would never deliver it.
fn pull_bytes(queues: usize, max_message: usize) -> PullBytes {
    let all = PULLED / queues.max(1);
    PullBytes { each: (all / PULLS).max(max_message + OVERHEAD), all }
}

impl Default for UnderWay {
    fn default() -> Self {
        Self { queues: AtomicUsize::new(0), reads: Semaphore::new(READ) }
    }
}

impl UnderWay {
    pub(crate) fn queue_opened(&self) {
        self.queues.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn queue_closed(&self) {
        self.queues.fetch_sub(1, Ordering::Relaxed);
    }

    /// The bounds of the pulls of one queue. `max_message` is the largest message that the broker has.
    pub(crate) fn pull_bytes(&self, max_message: usize) -> PullBytes {
        pull_bytes(self.queues.load(Ordering::Relaxed), max_message)
    }

    /// Waits until as many bytes may be under way as a read of `messages` can bring. `None` if that takes
    /// longer than `wait`.
    pub(crate) async fn read(
        &self,
        messages: usize,
        max_message: usize,
        wait: Duration,
    ) -> Option<SemaphorePermit<'_>> {
        let most = READ_AT_ONCE + max_message;
        let bytes = messages.saturating_mul(max_message + OVERHEAD).min(most).clamp(1, READ);
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        timeout(wait, self.reads.acquire_many(permits)).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_of_a_queue_is_never_smaller_than_the_largest_message() {
        assert_eq!(pull_bytes(1, MIB), PullBytes { each: 6 * MIB, all: 24 * MIB });
        assert_eq!(pull_bytes(0, MIB), pull_bytes(1, MIB));
        for (queues, max_message) in [(1, 8 * MIB), (50, MIB), (1000, 64 * MIB)] {
            assert_eq!(pull_bytes(queues, max_message).each, max_message + OVERHEAD);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn reads_wait_for_each_other() {
        let under_way = UnderWay::default();
        let wait = Duration::from_secs(1);
        let mut open = Vec::new();
        while let Some(permit) = under_way.read(1000, MIB, wait).await {
            open.push(permit);
        }
        assert_eq!(open.len(), READ / (READ_AT_ONCE + MIB));
        open.pop();
        assert!(under_way.read(1000, MIB, wait).await.is_some());
        open.clear();
        // Larger than the bound: alone.
        let alone = under_way.read(1, 2 * READ, wait).await;
        assert!(alone.is_some() && under_way.read(1, 1, wait).await.is_none());
    }
}
