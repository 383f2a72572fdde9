//! When it runs, and until when.

use std::time::Duration;

use super::Enqueue;
use crate::clock::Timestamp;

impl<O> Enqueue<'_, O> {
    /// Runs it after `delay`, not at once.
    pub fn delay(self, delay: Duration) -> Self {
        let due = self.client.clock.now() + delay;
        self.at(due)
    }

    /// Runs it at this time, not at once. A time that is past means at once.
    pub fn at(mut self, due: Timestamp) -> Self {
        self.due_at = Some(due);
        self
    }

    /// Starts no attempt after this time.
    pub fn deadline(mut self, deadline: Timestamp) -> Self {
        self.deadline = Some(deadline);
        self
    }
}
