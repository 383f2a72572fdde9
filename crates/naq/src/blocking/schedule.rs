//! Recurring schedules: the builder behind [`Client::schedule`], and the verbs on those there are.

use std::time::Duration;

use naq_client::{Registered, ScheduleBuilder as AsyncBuilder, ScheduleError, ScheduleReport};
use naq_core::schedule::{CatchUp, Overlap, Schedule};
use naq_core::transport::JobKey;
use naq_core::{Job, ScheduleName, Timestamp};

use super::{Client, Enqueue};

/// A schedule about to be registered: [`register`](Self::register) it. The options are those of
/// [`naq_client::ScheduleBuilder`].
#[must_use = "nothing is registered until this is"]
#[derive(Debug)]
pub struct ScheduleBuilder<'a> {
    client: &'a Client,
    inner: AsyncBuilder<'a>,
}

/// The verbs on schedules; from [`Client::schedules`]. Each waits for the broker's answer.
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

    /// The verbs on schedules that there are.
    pub fn schedules(&self) -> Schedules<'_> {
        Schedules { client: self }
    }
}

macro_rules! same {
    ($($(#[$doc:meta])* $name:ident($arg:ident: $ty:ty);)*) => {
        $($(#[$doc])*
        pub fn $name(self, $arg: $ty) -> Self {
            Self { client: self.client, inner: self.inner.$name($arg) }
        })*
    };
}

impl ScheduleBuilder<'_> {
    same! {
        /// When it ticks, as cron says it.
        cron(expression: impl AsRef<str>);
        /// It ticks every so often, from its start on.
        every(every: Duration);
        /// The zone of its clocks by its IANA name; UTC by default.
        time_zone(name: impl AsRef<str>);
        /// No tick before this moment, and the first of an interval at it.
        start(start: Timestamp);
        /// No tick after this moment.
        end(end: Timestamp);
        /// So many runs, and no more.
        max_runs(max_runs: u64);
        /// Each run starts up to this much later than its tick.
        jitter(jitter: Duration);
        /// What becomes of ticks that nobody was there for.
        catch_up(catch_up: CatchUp);
        /// What a tick does while the run before it has not ended.
        overlap(overlap: Overlap);
        /// A run that has not started so long after its time expires.
        start_within(within: Duration);
    }

    /// What runs, with the options of its type.
    ///
    /// # Panics
    /// When `J::NAME` is no task name.
    pub fn job<J: Job>(self, job: J) -> Self {
        Self { client: self.client, inner: self.inner.job(job) }
    }

    /// What runs, with any options of a job: what [`Client::enqueue`] prepares, not sent.
    pub fn template<O>(self, job: Enqueue<'_, O>) -> Self {
        Self { client: self.client, inner: self.inner.template(job.inner) }
    }

    /// Registers it: from any number of processes it is one schedule.
    ///
    /// # Errors
    /// [`ScheduleError`].
    pub fn register(self) -> Result<Registered, ScheduleError> {
        let schedule = self.inner.prepare()?;
        self.client.wait(|client| async move { client.schedules().register(schedule).await })
    }
}

impl Schedules<'_> {
    /// All schedules by name; of those that this version cannot read, why.
    ///
    /// # Errors
    /// [`ScheduleError::Transport`].
    pub fn list(&self) -> Result<Vec<Result<ScheduleReport, ScheduleError>>, ScheduleError> {
        self.client.wait(|client| async move { client.schedules().list().await })
    }

    /// The schedule of this name.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`] among others.
    pub fn get(&self, name: &ScheduleName) -> Result<ScheduleReport, ScheduleError> {
        let name = name.clone();
        self.client.wait(|client| async move { client.schedules().get(&name).await })
    }

    /// Changes the schedule of this name: registers what `change` makes of its definition.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`]; what `change` says; others.
    pub fn update(
        &self,
        name: &ScheduleName,
        change: impl Fn(&mut Schedule) -> Result<(), ScheduleError> + Send + Sync + 'static,
    ) -> Result<ScheduleReport, ScheduleError> {
        let name = name.clone();
        self.client.wait(|client| async move { client.schedules().update(&name, change).await })
    }

    /// Makes no run at its ticks until it is resumed.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`] among others.
    pub fn pause(&self, name: &ScheduleName) -> Result<ScheduleReport, ScheduleError> {
        let name = name.clone();
        self.client.wait(|client| async move { client.schedules().pause(&name).await })
    }

    /// Goes on with the next tick from now.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`] among others.
    pub fn resume(&self, name: &ScheduleName) -> Result<ScheduleReport, ScheduleError> {
        let name = name.clone();
        self.client.wait(|client| async move { client.schedules().resume(&name).await })
    }

    /// Makes a run now, beside those of the ticks.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`] among others.
    pub fn run_now(&self, name: &ScheduleName) -> Result<JobKey, ScheduleError> {
        let name = name.clone();
        self.client.wait(|client| async move { client.schedules().run_now(&name).await })
    }

    /// Removes the schedule. False when there was none.
    ///
    /// # Errors
    /// [`ScheduleError::Transport`].
    pub fn delete(&self, name: &ScheduleName) -> Result<bool, ScheduleError> {
        let name = name.clone();
        self.client.wait(|client| async move { client.schedules().delete(&name).await })
    }
}
