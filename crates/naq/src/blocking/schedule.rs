//! Recurring schedules: the builder of [`Client::schedule`], and the actions on existing schedules.

use std::time::Duration;

use naq_client::{Registered, ScheduleBuilder as AsyncBuilder, ScheduleError, ScheduleReport};
use naq_core::schedule::{CatchUp, Overlap, Schedule};
use naq_core::transport::JobKey;
use naq_core::{Job, ScheduleName, Timestamp};

use super::{Client, Enqueue};

/// A schedule that is not registered yet; [`register`](Self::register) registers it. The options are
/// those of [`naq_client::ScheduleBuilder`].
#[must_use = "the schedule is not registered until `register` is called"]
#[derive(Debug)]
pub struct ScheduleBuilder<'a> {
    client: &'a Client,
    inner: AsyncBuilder<'a>,
}

/// The actions on schedules, from [`Client::schedules`]. Each waits for the broker's answer.
#[derive(Debug, Clone, Copy)]
pub struct Schedules<'a> {
    client: &'a Client,
}

impl Client {
    /// Defines a recurring schedule; [`register`](ScheduleBuilder::register) registers it.
    ///
    /// ```no_run
    /// # fn f<J: naq::prelude::Job>(report: J) -> Result<(), Box<dyn std::error::Error>> {
    /// let client = naq::blocking::connect("nats://localhost:4222")?;
    /// client.schedule("nightly").cron("30 2 * * *").time_zone("Europe/Berlin").job(report).register()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn schedule(&self, name: impl AsRef<str>) -> ScheduleBuilder<'_> {
        ScheduleBuilder { client: self, inner: self.inner.schedule(name) }
    }

    /// The actions on existing schedules.
    pub fn schedules(&self) -> Schedules<'_> {
        Schedules { client: self }
    }
}

macro_rules! forward {
    ($($(#[$doc:meta])* $name:ident($arg:ident: $ty:ty);)*) => {
        $($(#[$doc])*
        pub fn $name(self, $arg: $ty) -> Self {
            Self { client: self.client, inner: self.inner.$name($arg) }
        })*
    };
}

impl ScheduleBuilder<'_> {
    forward! {
        /// When it ticks, as a cron expression.
        cron(expression: impl AsRef<str>);
        /// It ticks at this interval, counted from its start.
        every(every: Duration);
        /// The time zone of the cron expression, by its IANA name. The default is UTC.
        time_zone(name: impl AsRef<str>);
        /// No tick is before this time. With `every`, the first tick is at this time.
        start(start: Timestamp);
        /// No tick is after this time.
        end(end: Timestamp);
        /// The number of runs in total.
        max_runs(max_runs: u64);
        /// Each run starts up to this much later than its tick.
        jitter(jitter: Duration);
        /// What happens to ticks that were missed because no worker was running.
        catch_up(catch_up: CatchUp);
        /// What a tick does while the run before it has not ended.
        overlap(overlap: Overlap);
        /// A run expires if it has not started this long after its tick.
        start_within(within: Duration);
    }

    /// The job that each run enqueues, with the options of its type.
    ///
    /// # Panics
    /// `J::NAME` is not a task name.
    pub fn job<J: Job>(self, job: J) -> Self {
        Self { client: self.client, inner: self.inner.job(job) }
    }

    /// The job that each run enqueues, with any options: a job from [`Client::enqueue`] that was not
    /// sent.
    pub fn template<O>(self, job: Enqueue<'_, O>) -> Self {
        Self { client: self.client, inner: self.inner.template(job.inner) }
    }

    /// Registers the schedule. Several processes that register the same name share one schedule.
    ///
    /// # Errors
    /// [`ScheduleError`].
    pub fn register(self) -> Result<Registered, ScheduleError> {
        let schedule = self.inner.prepare()?;
        self.client.wait(|client| async move { client.schedules().register(schedule).await })
    }
}

impl Schedules<'_> {
    /// All schedules, sorted by name. A schedule that this version cannot read is an error in the list.
    ///
    /// # Errors
    /// [`ScheduleError::Transport`].
    pub fn list(&self) -> Result<Vec<Result<ScheduleReport, ScheduleError>>, ScheduleError> {
        self.client.wait(|client| async move { client.schedules().list().await })
    }

    /// The schedule of this name.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`] and others.
    pub fn get(&self, name: &ScheduleName) -> Result<ScheduleReport, ScheduleError> {
        let name = name.clone();
        self.client.wait(|client| async move { client.schedules().get(&name).await })
    }

    /// Changes the schedule of this name: applies `change` to its definition and registers the result.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`], the error that `change` returns, and others.
    pub fn update(
        &self,
        name: &ScheduleName,
        change: impl Fn(&mut Schedule) -> Result<(), ScheduleError> + Send + Sync + 'static,
    ) -> Result<ScheduleReport, ScheduleError> {
        let name = name.clone();
        self.client.wait(|client| async move { client.schedules().update(&name, change).await })
    }

    /// Pauses the schedule: its ticks make no runs until [`resume`](Self::resume).
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`] and others.
    pub fn pause(&self, name: &ScheduleName) -> Result<ScheduleReport, ScheduleError> {
        let name = name.clone();
        self.client.wait(|client| async move { client.schedules().pause(&name).await })
    }

    /// Resumes the schedule with the next tick. Ticks during the pause are skipped.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`] and others.
    pub fn resume(&self, name: &ScheduleName) -> Result<ScheduleReport, ScheduleError> {
        let name = name.clone();
        self.client.wait(|client| async move { client.schedules().resume(&name).await })
    }

    /// Makes an extra run now.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`] and others.
    pub fn run_now(&self, name: &ScheduleName) -> Result<JobKey, ScheduleError> {
        let name = name.clone();
        self.client.wait(|client| async move { client.schedules().run_now(&name).await })
    }

    /// Deletes the schedule. Returns false if it did not exist.
    ///
    /// # Errors
    /// [`ScheduleError::Transport`].
    pub fn delete(&self, name: &ScheduleName) -> Result<bool, ScheduleError> {
        let name = name.clone();
        self.client.wait(|client| async move { client.schedules().delete(&name).await })
    }
}
