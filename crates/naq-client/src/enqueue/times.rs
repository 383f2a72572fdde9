//! When it runs, and until when.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::job::Job;

use crate::Client;
use crate::enqueue::Enqueue;

impl<O> Enqueue<'_, O> {
    /// Runs it after `delay`, not at once. See also [`Client::enqueue_in`].
    pub fn delay(self, delay: Duration) -> Self {
        let due = self.client.clock.now() + delay;
        self.at(due)
    }

    /// Runs it at this time, not at once. A time that is past means at once. See also
    /// [`Client::enqueue_at`].
    pub fn at(mut self, due: Timestamp) -> Self {
        self.due_at = Some(due);
        self
    }

    /// Starts no attempt after this time: a job that has not ended by then, and does not run, ends
    /// as expired.
    pub fn deadline(mut self, deadline: Timestamp) -> Self {
        self.deadline = Some(deadline);
        self
    }
    /// Starts no attempt later than this after the job was due: now, or the time that it waits for.
    /// With a [`deadline`](Self::deadline) as well, the earlier one counts.
    pub fn expires_in(mut self, span: Duration) -> Self {
        self.expires_in = Some(span);
        self
    }
}

impl Client {
    /// Prepares a job that runs at `time`; one that is past means at once. A [`Timestamp`] is in
    /// UTC; [`Timestamp::read`] reads what people write.
    ///
    /// ```no_run
    /// # use naq_client::Client;
    /// # use naq_core::{Clock, Job, SystemClock, Timestamp};
    /// # async fn f<J: Job>(client: Client, job: J) -> Result<(), Box<dyn std::error::Error>> {
    /// let evening = Timestamp::read("2026-12-24 18:00", SystemClock.now())?; // in UTC
    /// client.enqueue_at(evening, job).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// When `J::NAME` is no task name.
    pub fn enqueue_at<J: Job>(&self, time: impl Into<Timestamp>, job: J) -> Enqueue<'_, J::Output> {
        self.enqueue(job).at(time.into())
    }

    /// Prepares a job that runs after `delay`.
    ///
    /// # Panics
    /// When `J::NAME` is no task name.
    pub fn enqueue_in<J: Job>(&self, delay: Duration, job: J) -> Enqueue<'_, J::Output> {
        self.enqueue(job).delay(delay)
    }
}
