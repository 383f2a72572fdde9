//! [`HoldFacts`]: what must be known of a queue to say what holds its jobs.

use naq_core::clock::Timestamp;
use naq_core::flow::TaskPause;
use naq_core::flow::breaker::BreakerEntry;
use naq_core::transport::{JobSummary, QueueInfo, WorkerInfo};

/// The data from which [`find_holds`](super::find_holds) decides, of one queue.
#[derive(Debug, Clone, Copy)]
pub struct HoldFacts<'a> {
    /// The numbers of the queue.
    pub queue: &'a QueueInfo,
    /// The live workers of all queues.
    pub workers: &'a [WorkerInfo],
    /// The breakers that are not closed, of all tasks and services.
    pub breakers: &'a [BreakerEntry],
    /// The paused tasks of all queues.
    pub pauses: &'a [TaskPause],
    /// Waiting jobs of the queue: all of them, or the newest.
    pub waiting: &'a [JobSummary],
    /// Whether the queue has more waiting jobs than these.
    pub has_more: bool,
    /// The time.
    pub now: Timestamp,
}
