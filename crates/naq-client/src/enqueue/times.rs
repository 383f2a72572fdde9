//! Options: when the job runs, and until when it may start.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::job::Job;

use crate::Client;
use crate::enqueue::Enqueue;
use crate::enqueue::job_times::Due;

impl<O> Enqueue<'_, O> {
    /// Runs the job after `delay` instead of at once. The delay starts when the job is sent, by the
    /// broker's clock. See also [`Client::enqueue_in`].
    #[doc(alias = "enqueue_in")]
    #[doc(alias = "countdown")]
    #[doc(alias = "perform_in")]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.times.due = Some(Due::After(delay));
        self
    }

    /// Runs the job at this time by the broker's clock instead of at once. A time in the past means
    /// at once. See also [`Client::enqueue_at`].
    #[doc(alias = "enqueue_at")]
    #[doc(alias = "eta")]
    #[doc(alias = "perform_at")]
    pub fn at(mut self, due: Timestamp) -> Self {
        self.times.due = Some(Due::At(due));
        self
    }

    /// Starts no attempt after this time by the broker's clock: a job that still waits then ends as
    /// expired.
    pub fn deadline(mut self, deadline: Timestamp) -> Self {
        self.times.deadline = Some(deadline);
        self
    }

    /// Starts no attempt later than `span` after the job is due, by the broker's clock. If there is a
    /// [`deadline`](Self::deadline) as well, the earlier time counts.
    pub fn expires_in(mut self, span: Duration) -> Self {
        self.times.expires_in = Some(span);
        self
    }
}

impl Client {
    /// Prepares a job that runs at `time`; a time in the past means at once. A [`Timestamp`] is in
    /// UTC; [`Timestamp::read`] reads times that people write.
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
    /// When `J::NAME` is not a valid task name.
    #[doc(alias = "at")]
    #[doc(alias = "perform_at")]
    pub fn enqueue_at<J: Job>(&self, time: impl Into<Timestamp>, job: J) -> Enqueue<'_, J::Output> {
        self.enqueue(job).at(time.into())
    }

    /// Prepares a job that runs after `delay`.
    ///
    /// # Panics
    /// When `J::NAME` is not a valid task name.
    #[doc(alias = "delay")]
    #[doc(alias = "perform_in")]
    pub fn enqueue_in<J: Job>(&self, delay: Duration, job: J) -> Enqueue<'_, J::Output> {
        self.enqueue(job).delay(delay)
    }
}
